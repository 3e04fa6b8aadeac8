//! Places for the tests of this folder.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// So many points strewn evenly, anywhere.
pub(in crate::project::field) fn scattered(count: usize, width: f32, height: f32) -> Vec<[f32; 2]> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(count as u64);
    (0..count).map(|_| [width * (random.random::<f32>() - 0.3), height * (random.random::<f32>() - 0.9)]).collect()
}
