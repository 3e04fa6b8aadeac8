//! What can be fetched: where from, how large, and the checksum that it must have.

/// One file of a publisher.
#[derive(Debug, Clone)]
pub struct Download {
    /// What the file is called on disk.
    pub file_name: String,
    /// Where it is, the publisher first, then its mirrors.
    pub addresses: Vec<String>,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
}

/// `GloVe` 6B: 400,000 words in 50, 100, 200 and 300 dimensions, one zip archive.
#[must_use]
pub fn glove_6b() -> Download {
    Download {
        file_name: "glove.6B.zip".into(),
        addresses: vec![
            "https://nlp.stanford.edu/data/glove.6B.zip".into(),
            "https://downloads.cs.stanford.edu/nlp/data/glove.6B.zip".into(),
        ],
        bytes: 862_182_613,
        sha256: "617afb2fe6cbd085c235baf7a465b96f4112bd7f7ccb2b2cbd649fed9cbcf2fb".into(),
    }
}

/// The dimensions that [`glove_6b`] comes in.
pub const GLOVE_6B_DIMENSIONS: [usize; 4] = [50, 100, 200, 300];
