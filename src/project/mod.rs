//! Projections: many-dimensional points in, 2-D points out. PCA and t-SNE.

mod pca;
mod tsne;
