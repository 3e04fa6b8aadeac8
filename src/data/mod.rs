//! What can be fetched from its publisher, and fetching it: resumable, checksummed, atomic.
