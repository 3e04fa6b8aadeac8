//! Training GloVe vectors. Pennington et al. 2014.
