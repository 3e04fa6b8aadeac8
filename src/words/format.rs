//! Readers of the vector files that people have: GloVe text, word2vec text and binary, fastText `.vec`; plain, gzipped, zipped.
