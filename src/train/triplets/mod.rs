//! Metric learning: networks that learn to lay images of one label near each other and of other labels far apart.
//!
//! Everything here is a function of plain slices: embeddings and labels in; triplets, a loss and its gradient with respect to the
//! embeddings out. What is drawn, is drawn by a seed; what is computed by several threads does not depend on how many there are.
//!
//! | | |
//! |---|---|
//! | [`Offline`] | the course report's triplets, made once before training |
//! | [`Batches`] | batches of P labels with K images each, for triplets mined while training |
//! | [`Embeddings`], [`Batch`] | embeddings in a [`Geometry`]; with labels and all distances between them |
//! | [`mining`] | which triplets of a batch to learn from |
//! | [`losses`], [`contrast`] | losses over triplets, and over whole batches without any |
//! | [`Objective`] | one of these, chosen by name: what a step of training calls |
//! | [`Spread`], [`Watch`] | whether all images land on one point |

mod batch;
mod batches;
mod collapse;
pub mod contrast;
pub mod losses;
pub mod mining;
mod objective;
mod offline;
#[cfg(test)]
mod parity;
#[cfg(test)]
mod testing;

pub use batch::{Batch, Distance, Embeddings, Geometry};
pub use batches::{Batches, random_triplets};
pub use collapse::{Collapse, Reason, Remedy, Spread, Watch};
pub use losses::{Mean, Step};
pub use mining::Mining;
pub use objective::Objective;
pub use offline::{Offline, Triplets};

/// Places of an anchor, of a positive with the same label, and of a negative with another.
pub type Triplet = [u32; 3];

/// Why nothing can be learnt from a batch, or no triplets made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TripletError {
    /// Values, dimensions and labels that do not belong together.
    #[error("{values} values are no {images} embeddings of {dimension} dimensions")]
    Shape {
        /// How many values there are.
        values: usize,
        /// How many dimensions an embedding should have.
        dimension: usize,
        /// How many images there should be.
        images: usize,
    },
    /// NaN or infinity, as a training has that diverged.
    #[error("the embedding of image {image} has a value that is not finite: the training has diverged, try a lower learning rate")]
    NotFinite {
        /// The image, from 0.
        image: usize,
    },
    /// Finite embeddings with an infinite distance between them.
    #[error("embeddings lie farther apart than single precision can hold: the training has diverged, try a lower learning rate")]
    TooFar,
    /// Nothing to build a triplet of.
    #[error(
        "a triplet needs two images of one label and one of another; there are {images} images of {labels} labels, none of which can \
         give one"
    )]
    NoTriplet {
        /// How many images there are.
        images: usize,
        /// How many labels they have between them.
        labels: usize,
    },
    /// A triplet that names an image that is not there.
    #[error("triplet {triplet} names image {image}, and there are {images} from 0")]
    Place {
        /// The triplet, from 0.
        triplet: usize,
        /// The image it names.
        image: u32,
        /// How many images there are.
        images: usize,
    },
    /// A setting out of its range.
    #[error("{name} is {value}; it must be {wanted}")]
    Setting {
        /// What is set.
        name: &'static str,
        /// To what.
        value: f64,
        /// What is allowed.
        wanted: &'static str,
    },
}

/// Refuses a setting that is not as it should be.
fn require(holds: bool, name: &'static str, value: f64, wanted: &'static str) -> Result<(), TripletError> {
    if holds { Ok(()) } else { Err(TripletError::Setting { name, value, wanted }) }
}

/// The places of each label's images, by label.
fn by_label(labels: &[u8]) -> Vec<Vec<u32>> {
    let mut places = vec![Vec::new(); 256];
    labels.iter().enumerate().for_each(|(place, &label)| places[usize::from(label)].push(place as u32));
    places
}

/// Refuses labels of which no triplet can be built.
fn require_triplet(labels: &[u8]) -> Result<(), TripletError> {
    let counts: Vec<usize> = by_label(labels).iter().map(Vec::len).filter(|&count| count > 0).collect();
    let holds = counts.len() > 1 && counts.iter().any(|&count| count > 1);
    if holds { Ok(()) } else { Err(TripletError::NoTriplet { images: labels.len(), labels: counts.len() }) }
}
