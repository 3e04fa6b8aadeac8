//! What can be had from its publisher: where from, how large, under which terms, and the checksums that it must have.

use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

use super::{checksum::Checksum, examples::Split, groups, samples::Sample, skin};

/// One file of a publisher.
#[derive(Debug, Clone)]
pub struct Download {
    /// What the file is called on disk.
    pub file_name: String,
    /// Where it is, the publisher first, then its mirrors. None: it can't be fetched.
    pub addresses: Vec<String>,
    /// Its length.
    pub size: Size,
    /// Of the file as it is published.
    pub checksum: Checksum,
    /// Of what a gzip file holds: the same data compressed once more has another [`Self::checksum`] and the same contents.
    pub contents: Option<Checksum>,
}

/// A length in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// As the publisher says; another length is another file.
    Exact(u64),
    /// Where the publisher rounds: twice as much is certainly another file.
    About(u64),
}

impl Size {
    /// The length, for a reader.
    #[must_use]
    pub fn bytes(self) -> u64 {
        let (Self::Exact(bytes) | Self::About(bytes)) = self;
        bytes
    }

    /// The length, where it is known to the byte.
    #[must_use]
    pub fn exact(self) -> Option<u64> {
        if let Self::Exact(bytes) = self { Some(bytes) } else { None }
    }

    /// What no such file exceeds.
    #[must_use]
    pub fn most(self) -> u64 {
        match self {
            Self::Exact(bytes) => bytes,
            Self::About(bytes) => 2 * bytes,
        }
    }
}

/// Something that was published: what it is, under which terms, and its files.
#[derive(Debug, Clone)]
pub struct Publication {
    /// Names it in commands and addresses.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Who made it, and the address of the page that says so.
    pub source: String,
    /// Its licence.
    pub licence: String,
    /// What to cite.
    pub citation: String,
    /// Its files; none for what is drawn by code.
    pub files: Vec<Download>,
}

impl Publication {
    /// Whether there is anywhere to fetch it from.
    #[must_use]
    pub fn can_be_fetched(&self) -> bool {
        !self.files.is_empty() && self.files.iter().all(|file| !file.addresses.is_empty())
    }

    /// The length of all files, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size.bytes()).sum()
    }
}

/// Labelled images in splits.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// What it is and where it comes from.
    pub about: Publication,
    /// How its files hold the images.
    pub format: Format,
    /// The folder of its files within a folder of data sets; a `*` at its end stands for anything.
    pub folder: String,
    /// Names of the classes; label 0 is the first.
    pub classes: Vec<String>,
    /// Abbreviations of the classes in the same order, where the field has some.
    pub codes: &'static [&'static str],
    /// Yes-or-no questions that matter more than which class it is.
    pub questions: &'static [Question],
    /// The table that says which images show one and the same thing. It need not be here for the images to be used. None: nobody says.
    pub groups: Option<Download>,
    /// Its splits, and how many images each has.
    pub splits: Vec<(Split, usize)>,
    /// Height, width and channels of an image.
    pub shape: [usize; 3],
}

/// A yes-or-no question on an image, answered by whether it is of some classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// Names it in addresses, such as `malignant`.
    pub id: &'static str,
    /// The labels for which the answer is yes.
    pub classes: &'static [usize],
}

/// How images and labels are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `train-images-idx3-ubyte.gz` and so on: images and labels of each split in a file of their own.
    Idx,
    /// One `.npz` with six arrays, as `MedMNIST` has them.
    Npz,
    /// One such `.npz` and the table of its groups, dealt out anew so that no group is in two splits.
    Dealt,
    /// Drawn by this program.
    Drawn(Sample),
}

impl Dataset {
    /// Names it in commands and addresses.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.about.id
    }

    /// SHA-256 of what its images and labels are, in hexadecimal: of the checksums that its files' contents must have, one line each; of one
    /// that is drawn, of all pixels and labels.
    #[must_use]
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        if let Format::Drawn(sample) = self.format {
            for (split, _) in &self.splits {
                let examples = sample.draw(*split);
                hash.update(examples.pixels());
                hash.update(examples.labels());
            }
        }
        for file in &self.about.files {
            hash.update(format!("{}\n", file.contents.as_ref().unwrap_or(&file.checksum)));
        }
        if self.format == Format::Dealt {
            hash.update(groups::DEALING);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether it has such a split.
    #[must_use]
    pub fn has(&self, split: Split) -> bool {
        self.count(split) > 0
    }

    /// How many images a split has; 0 where there is none.
    #[must_use]
    pub fn count(&self, wanted: Split) -> usize {
        self.splits.iter().find(|(split, _)| *split == wanted).map_or(0, |(_, count)| *count)
    }

    /// The class that `text` means: its label, its abbreviation, or its name.
    #[must_use]
    pub fn class(&self, text: &str) -> Option<usize> {
        let label = text.parse().ok().filter(|label| *label < self.classes.len());
        let named = || self.classes.iter().position(|name| name == text);
        label.or_else(|| self.codes.iter().position(|code| *code == text)).or_else(named)
    }

    /// What a class is called for short: its abbreviation where it has one, else its name. `None` beyond the last.
    #[must_use]
    pub fn short_name(&self, label: usize) -> Option<&str> {
        self.codes.get(label).copied().or_else(|| self.classes.get(label).map(String::as_str))
    }

    /// Whether its images were drawn by this program and say nothing of the world.
    #[must_use]
    pub fn is_synthetic(&self) -> bool {
        matches!(self.format, Format::Drawn(_))
    }
}

/// Every data set of labelled images, those of the course report first.
#[must_use]
pub fn datasets() -> &'static [Dataset] {
    static DATASETS: LazyLock<Vec<Dataset>> = LazyLock::new(|| {
        let published = [mnist(), fashion_mnist(), skin::dermamnist(), skin::ham10000(), skin::ham10000_grouped()];
        published.into_iter().chain(Sample::ALL.map(Sample::dataset)).collect()
    });
    &DATASETS
}

/// Where `GloVe` vectors come from.
pub const GLOVE_SOURCE: &str =
    "GloVe: Global Vectors for Word Representation (Pennington, Socher and Manning 2014), nlp.stanford.edu/projects/glove";
/// The licence that they were published under.
pub const GLOVE_LICENCE: &str = "Public Domain Dedication and License 1.0";
/// The dimensions that [`glove_6b`] comes in.
pub const GLOVE_6B_DIMENSIONS: [usize; 4] = [50, 100, 200, 300];

/// `GloVe` 6B: 400,000 words in 50, 100, 200 and 300 dimensions, one zip archive.
#[must_use]
pub fn glove_6b() -> Publication {
    Publication {
        id: "glove-6b".into(),
        name: "GloVe 6B".into(),
        source: GLOVE_SOURCE.into(),
        licence: GLOVE_LICENCE.into(),
        citation: "Pennington, Socher, Manning: GloVe: Global Vectors for Word Representation. EMNLP 2014.".into(),
        files: vec![Download {
            file_name: "glove.6B.zip".into(),
            addresses: vec![
                "https://nlp.stanford.edu/data/glove.6B.zip".into(),
                "https://downloads.cs.stanford.edu/nlp/data/glove.6B.zip".into(),
            ],
            size: Size::Exact(862_182_613),
            checksum: sha256("617afb2fe6cbd085c235baf7a465b96f4112bd7f7ccb2b2cbd649fed9cbcf2fb"),
            contents: None,
        }],
    }
}

/// 70,000 handwritten digits.
fn mnist() -> Dataset {
    // The first two are the copies that torchvision and TensorFlow fetch; the authors' own page has refused downloads for some years.
    let bases = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ];
    let file = |name: &str, bytes: u64, published: &str, contents: &str| idx_file(&bases, name, bytes, published, contents);
    Dataset {
        about: Publication {
            id: "mnist".into(),
            name: "MNIST".into(),
            source: "LeCun, Cortes, Burges: The MNIST database of handwritten digits, http://yann.lecun.com/exdb/mnist/".into(),
            licence: "none stated by the authors; commonly given as CC BY-SA 3.0".into(),
            citation: "LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition. Proceedings of the IEEE 86(11), 1998.".into(),
            files: vec![
                file("train-images-idx3-ubyte.gz", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
                file("train-labels-idx1-ubyte.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
                file("t10k-images-idx3-ubyte.gz", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
                file("t10k-labels-idx1-ubyte.gz", 4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
            ],
        },
        format: Format::Idx,
        folder: "mnist".into(),
        classes: digits(),
        codes: &[],
        questions: &[],
        groups: None,
        splits: vec![(Split::Train, 60_000), (Split::Test, 10_000)],
        shape: [28, 28, 1],
    }
}

/// 70,000 articles of clothing.
fn fashion_mnist() -> Dataset {
    let bases = [
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ];
    let file = |name: &str, bytes: u64, published: &str, contents: &str| idx_file(&bases, name, bytes, published, contents);
    Dataset {
        about: Publication {
            id: "fashion-mnist".into(),
            name: "Fashion-MNIST".into(),
            source: "Zalando Research, https://github.com/zalandoresearch/fashion-mnist".into(),
            licence: "MIT (Zalando SE)".into(),
            citation: "Xiao, Rasul, Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms. arXiv:1708.07747, 2017.".into(),
            files: vec![
                file("train-images-idx3-ubyte.gz", 26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
                file("train-labels-idx1-ubyte.gz", 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
                file("t10k-images-idx3-ubyte.gz", 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
                file("t10k-labels-idx1-ubyte.gz", 5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
            ],
        },
        format: Format::Idx,
        folder: "fashion-mnist".into(),
        classes: garments(),
        codes: &[],
        questions: &[],
        groups: None,
        splits: vec![(Split::Train, 60_000), (Split::Test, 10_000)],
        shape: [28, 28, 1],
    }
}

/// The classes of MNIST.
pub(super) fn digits() -> Vec<String> {
    (0..10).map(|digit| digit.to_string()).collect()
}

/// The classes of Fashion-MNIST, as its authors call them.
pub(super) fn garments() -> Vec<String> {
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"].map(String::from).into()
}

fn idx_file(bases: &[&str], name: &str, bytes: u64, published: &str, contents: &str) -> Download {
    Download {
        file_name: name.into(),
        addresses: bases.iter().map(|base| format!("{base}{name}")).collect(),
        size: Size::Exact(bytes),
        checksum: sha256(published),
        contents: Some(sha256(contents)),
    }
}

pub(super) fn sha256(hex: &str) -> Checksum {
    Checksum::Sha256(hex.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_publication_is_pinned_and_says_what_it_is() {
        let glove = glove_6b();
        let publications = datasets().iter().map(|dataset| &dataset.about).chain([&glove]);
        for about in publications {
            assert!(
                !about.name.is_empty() && !about.source.is_empty() && !about.licence.is_empty() && !about.citation.is_empty(),
                "{about:?}"
            );
            for file in &about.files {
                for checksum in [Some(&file.checksum), file.contents.as_ref()].into_iter().flatten() {
                    let length = if matches!(checksum, Checksum::Sha256(_)) { 64 } else { 32 };
                    let is_hex = checksum.hex().bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
                    assert!(checksum.hex().len() == length && is_hex, "{}: {checksum}", file.file_name);
                }
                assert!(file.addresses.iter().all(|address| address.ends_with(&format!("/{}", file.file_name))), "{:?}", file.addresses);
            }
        }
    }

    #[test]
    fn ids_are_unique_and_splits_and_classes_are_whole() {
        let mut ids: Vec<&str> = datasets().iter().map(Dataset::id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), datasets().len());
        for dataset in datasets() {
            assert!(
                dataset.splits.iter().any(|split| split.0 == Split::Train) && dataset.splits.iter().any(|split| split.0 == Split::Test)
            );
            assert_eq!(dataset.classes.len(), if dataset.shape[2] == 3 { 7 } else { 10 }, "{}", dataset.id());
            assert_eq!(dataset.is_synthetic(), dataset.about.files.is_empty());
            assert!(dataset.codes.is_empty() || dataset.codes.len() == dataset.classes.len());
            let asked = dataset.questions.iter().flat_map(|question| question.classes);
            assert!(asked.into_iter().all(|label| *label < dataset.classes.len()));
            assert_eq!(dataset.format == Format::Dealt, dataset.about.files.len() == 2 && dataset.groups.is_some());
        }
    }

    #[test]
    fn a_class_is_meant_by_its_label_its_abbreviation_or_its_name() {
        let skin = &datasets()[3];
        assert_eq!(
            ["4", "mel", "melanoma", "vasc", "7", "nevus", ""].map(|text| skin.class(text)),
            [Some(4), Some(4), Some(4), Some(6), None, None, None]
        );
        assert_eq!((skin.short_name(5), skin.short_name(7), datasets()[0].short_name(3)), (Some("nv"), None, Some("3")));
    }

    /// What a run was trained on is known by this: the table of groups, which came later, must not change it.
    #[test]
    fn a_data_set_is_the_same_with_and_without_its_table_of_groups() {
        let alone = Dataset { groups: None, ..datasets()[3].clone() };
        assert_eq!(alone.sha256(), datasets()[3].sha256());
        assert_ne!(datasets()[3].sha256(), datasets()[4].sha256());
    }
}
