//! The one audited place that maps files into memory.
