//! t-distributed stochastic neighbour embedding. van der Maaten and Hinton 2008.
