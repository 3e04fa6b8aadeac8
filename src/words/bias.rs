//! WEAT (Caliskan et al. 2017) and projection on a gender axis (Bolukbasi et al. 2016).
