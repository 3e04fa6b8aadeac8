//! The data sets of skin lesions: HAM10000 at 28 x 28 in three ways to split it.

use super::{
    checksum::Checksum,
    examples::Split,
    manifest::{Dataset, Download, Format, Publication, Question, Size, sha256},
};

/// Abbreviations of the classes, as HAM10000 has them.
pub(super) const CODES: &[&str] = &["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"];

/// What matters most to know of a lesion. Actinic keratoses count as malignant, as in HAM10000's own description: they are an early form of
/// squamous cell carcinoma, and are treated.
pub(super) const QUESTIONS: &[Question] = &[Question { id: "melanoma", classes: &[4] }, Question { id: "malignant", classes: &[0, 1, 4] }];

/// The classes of `DermaMNIST`, as `MedMNIST` calls them.
pub(super) fn lesions() -> Vec<String> {
    [
        "actinic keratoses and intraepithelial carcinoma",
        "basal cell carcinoma",
        "benign keratosis-like lesions",
        "dermatofibroma",
        "melanoma",
        "melanocytic nevi",
        "vascular lesions",
    ]
    .map(String::from)
    .into()
}

/// 10,015 dermatoscopic images of HAM10000, as `MedMNIST` publishes them.
pub(super) fn dermamnist() -> Dataset {
    let addresses = ["https://zenodo.org/records/10519652/files/dermamnist.npz", "https://zenodo.org/records/6496656/files/dermamnist.npz"];
    let about = Publication {
        id: "dermamnist".into(),
        name: "DermaMNIST".into(),
        source: "MedMNIST v2, https://doi.org/10.5281/zenodo.10519652".into(),
        licence: LICENCE.into(),
        citation: format!(
            "Yang, Shi, Wei, Liu, Zhao, Ke, Pfister, Ni: MedMNIST v2: A large-scale lightweight benchmark for 2D and 3D biomedical image classification. Scientific Data 10, 41, 2023. {CITATION}"
        ),
        files: vec![Download {
            file_name: "dermamnist.npz".into(),
            addresses: addresses.map(String::from).into(),
            size: Size::About(19_700_000),
            // MedMNIST publishes this one alone, in its info.py.
            checksum: Checksum::Md5("0744692d530f8e62ec473284d019b0c7".into()),
            contents: None,
        }],
    };
    // Its rows carry no lesion's id, and the table below is of another order.
    set(about, Format::Npz, None)
}

/// The same images and split made again from smaller copies of the originals: near `dermamnist`, but not it.
pub(super) fn ham10000() -> Dataset {
    let about = Publication {
        id: "ham10000-28".into(),
        name: "HAM10000 28×28, DermaMNIST split".into(),
        source: "HAM10000, https://doi.org/10.7910/DVN/DBW86T, resized from 200×150 copies; the order of training images is its own".into(),
        licence: LICENCE.into(),
        citation: CITATION.into(),
        files: vec![images()],
    };
    set(about, Format::Npz, Some(table()))
}

/// The images of [`ham10000`] dealt out anew, so that all images of a lesion are in one split.
pub(super) fn ham10000_grouped() -> Dataset {
    let about = Publication {
        id: "ham10000-28-grouped".into(),
        name: "HAM10000 28×28, split by lesion".into(),
        source: "HAM10000, https://doi.org/10.7910/DVN/DBW86T, resized from 200×150 copies; a split of Torchboard's own, by lesion".into(),
        licence: LICENCE.into(),
        citation: CITATION.into(),
        files: vec![images(), table()],
    };
    set(about, Format::Dealt, Some(table()))
}

fn set(about: Publication, format: Format, groups: Option<Download>) -> Dataset {
    Dataset {
        about,
        format,
        folder: "dermamnist*".into(),
        classes: lesions(),
        codes: CODES,
        questions: QUESTIONS,
        groups,
        splits: SPLITS.into(),
        shape: [28, 28, 3],
    }
}

fn images() -> Download {
    Download {
        file_name: "ham10000_28x28_medmnist_split.npz".into(),
        addresses: Vec::new(),
        size: Size::Exact(20_967_501),
        checksum: sha256("7d2f381b843ad755ccdc737b19bafef78f4386bdf64b66d096166114841d448e"),
        contents: None,
    }
}

/// Which lesion each image shows.
fn table() -> Download {
    Download {
        file_name: "split.csv".into(),
        addresses: Vec::new(),
        size: Size::Exact(407_305),
        checksum: sha256("1311302140011bf171f64f55b2ccf3add4c54751442601a9af63504abaa2bacf"),
        contents: None,
    }
}

/// Of all three: the split by lesion has as many images of each class in each split as the published one.
const SPLITS: [(Split, usize); 3] = [(Split::Train, 7007), (Split::Validation, 1003), (Split::Test, 2005)];
const LICENCE: &str = "CC BY-NC 4.0: non-commercial";
const CITATION: &str = "Tschandl, Rosendahl, Kittler: The HAM10000 dataset, a large collection of multi-source dermatoscopic images of common pigmented skin lesions. Scientific Data 5, 180161, 2018.";
