//! Analogy accuracy by section, counted as gensim's `evaluate_word_analogies` does.
