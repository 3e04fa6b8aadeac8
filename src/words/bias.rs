//! WEAT (Caliskan et al. 2017) and projection on a gender axis (Bolukbasi et al. 2016).

use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    VectorSet, analogy,
    search::{score, unit},
};
use crate::error::{AppError, AppResult};

/// Published word lists, and occupations to place.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Lists {
    /// Where the tests come from.
    #[serde(default)]
    pub source: String,
    /// Association tests.
    #[serde(default)]
    pub tests: Vec<Test>,
    /// Words for [`place_on_axis`].
    #[serde(default)]
    pub occupations: Occupations,
}

/// One word embedding association test.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// In a URL.
    pub id: String,
    /// X and Y: what is compared.
    pub targets: [WordList; 2],
    /// A and B: what the targets may be associated with.
    pub attributes: [WordList; 2],
}

/// Words under one name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WordList {
    /// What the words have in common.
    pub name: String,
    /// In any order.
    pub words: Vec<String>,
}

/// Occupations and where the list comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Occupations {
    /// In a sentence.
    #[serde(default)]
    pub source: String,
    /// In any order.
    pub words: Vec<String>,
}

/// The result of an association test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Association {
    /// Cohen's d of the targets' associations, -2 to 2: above 0, X goes with A and Y with B.
    pub effect_size: f64,
    /// Share of the ways to divide the targets that give at least so large a difference, the actual way among them: one-sided.
    pub p_value: f64,
    /// Ways to divide that were looked at.
    pub permutations: u64,
    /// Whether that is all of them; else they are drawn at random from a fixed seed.
    pub exact: bool,
    /// Words used of X, Y, A and B.
    pub used: [usize; 4],
    /// Words that the set lacks.
    pub missing: Vec<String>,
    /// Each word of X and of Y in the order of its list: what the effect size and the p-value are made of.
    pub targets: [Vec<Associated>; 2],
}

/// A target word and its association.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Associated {
    /// As the set writes it.
    pub word: String,
    /// Mean cosine to A less mean cosine to B: above 0, the word goes with A.
    pub association: f64,
}

/// A word's place on an axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Placed {
    /// The word.
    pub word: String,
    /// Cosine similarity to the axis: positive towards its first word.
    pub position: f64,
}

/// The lists that come with the program: `data/words/bias.json`.
///
/// # Panics
/// Never: a test reads the file that is built in.
#[must_use]
pub fn default_lists() -> Lists {
    serde_json::from_str(include_str!("../../data/words/bias.json")).expect("the built-in lists are valid")
}

/// The WEAT effect size and its permutation p-value; words that the set lacks are left out and named.
///
/// With s(w) the mean cosine of w to A less that to B: the effect size is (mean of s over X - mean over Y) / (sample standard deviation of
/// s over both). The p-value is exact up to [`MOST_EXACT`] divisions, else estimated from [`SAMPLES`] seeded ones.
///
/// # Errors
/// [`AppError::Invalid`] when a list has fewer than two words in the set, or a word stands in both targets.
///
/// Source: Caliskan, Bryson and Narayanan 2017; theirs counts strictly larger differences, so that its exact p can be 0.
pub fn associate(set: &VectorSet, test: &Test) -> AppResult<Association> {
    let mut missing = Vec::new();
    let mut resolve = |field: &str, list: &WordList| -> AppResult<Vec<usize>> {
        let mut found: Vec<usize> = Vec::new();
        for word in &list.words {
            match set.look_up(word) {
                Some(index) if !found.contains(&index) => found.push(index),
                Some(_) => {}
                None => missing.push(word.clone()),
            }
        }
        if found.len() < 2 {
            return Err(AppError::invalid(field, format!("Of the list {:?}, this set has fewer than two words.", list.name)));
        }
        Ok(found)
    };
    let [x, y] = [resolve("targets", &test.targets[0])?, resolve("targets", &test.targets[1])?];
    let [a, b] = [resolve("attributes", &test.attributes[0])?, resolve("attributes", &test.attributes[1])?];
    if let Some(&both) = x.iter().find(|word| y.contains(word)) {
        return Err(AppError::invalid("targets", format!("The word {:?} stands in both targets.", set.word(both))));
    }
    let units = |words: &[usize]| words.iter().map(|&word| unit(set.row(word))).collect::<Vec<_>>();
    let (a_units, b_units) = (units(&a), units(&b));
    let mean_similarity = |word: usize, units: &[Vec<f32>]| mean(units.iter().map(|unit| f64::from(score(set, word, unit))));
    let associations: Vec<f64> =
        x.iter().chain(&y).map(|&word| mean_similarity(word, &a_units) - mean_similarity(word, &b_units)).collect();
    let (effect_size, p_value, permutations, exact) = compare(&associations, x.len());
    let named = |words: &[usize], associations: &[f64]| {
        let pairs = words.iter().zip(associations);
        pairs.map(|(&word, &association)| Associated { word: set.word(word).to_owned(), association }).collect()
    };
    let targets = [named(&x, &associations[..x.len()]), named(&y, &associations[x.len()..])];
    Ok(Association { effect_size, p_value, permutations, exact, used: [x.len(), y.len(), a.len(), b.len()], missing, targets })
}

/// Each word's place on the axis from `to` to `from`, highest first: the cosine to (unit vector of `from` - unit vector of `to`).
///
/// The axis is that one difference (she - he), the direction along which Bolukbasi et al. 2016 rank occupations in their section 5; not the
/// principal component of several pairs that they remove when debiasing. Words that the set lacks are left out.
///
/// # Errors
/// [`AppError::NotFound`] when the set lacks an end of the axis.
pub fn place_on_axis(set: &VectorSet, from: &str, to: &str, words: &[String]) -> AppResult<Vec<Placed>> {
    let axis = unit(&analogy::combine(set, &[set.find(from)?], &[set.find(to)?], 1).vector);
    let mut placed: Vec<Placed> = words
        .iter()
        .filter_map(|word| set.look_up(word))
        .map(|index| Placed { word: set.word(index).to_owned(), position: f64::from(score(set, index, &axis)) })
        .collect();
    placed.sort_by(|a, b| b.position.total_cmp(&a.position).then_with(|| a.word.cmp(&b.word)));
    placed.dedup();
    Ok(placed)
}

/// Divisions up to which all are looked at: those of 20 words into two tens.
pub const MOST_EXACT: u64 = 184_756;
/// Divisions drawn where there are more.
pub const SAMPLES: u64 = 100_000;
const SEED: u64 = 2017;
/// Sequences of random numbers, each with its share of the draws: many threads find what one finds.
const STREAMS: u64 = 64;

/// Effect size, p-value, divisions looked at, and whether those are all, of associations whose first `x` belong to X.
fn compare(associations: &[f64], x: usize) -> (f64, f64, u64, bool) {
    let total: f64 = associations.iter().sum();
    let count = associations.len();
    // A difference of means grows with the sum over X alone, for a given size of X.
    let observed: f64 = associations[..x].iter().sum();
    let difference = observed / x as f64 - (total - observed) / (count - x) as f64;
    let centre = total / count as f64;
    let variance = associations.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / (count - 1) as f64;
    let effect_size = if variance > 0.0 { difference / variance.sqrt() } else { 0.0 };
    // Sums of the same numbers in another order differ in their last bits.
    let least = observed - 1e-12 * (1.0 + observed.abs());
    let (at_least, permutations, exact) = match divisions(count, x) {
        Some(all) if all <= MOST_EXACT => (count_sums(associations, x, 0.0, least), all, true),
        // The actual division counts as one of those drawn, so that p is never 0.
        _ => (1 + draw(associations, x, least, SAMPLES - 1), SAMPLES, false),
    };
    (effect_size, at_least as f64 / permutations as f64, permutations, exact)
}

/// In how many of `draws` random choices of `x` of the values these come to at least `least`.
fn draw(values: &[f64], x: usize, least: f64, draws: u64) -> u64 {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let mut next_stream = || {
        let own = random.clone();
        random.jump();
        own
    };
    let streams: Vec<(u64, Xoshiro256PlusPlus)> = (0..STREAMS).map(|stream| (stream, next_stream())).collect();
    let count = |(stream, mut random): (u64, Xoshiro256PlusPlus)| {
        let own = draws / STREAMS + u64::from(stream < draws % STREAMS);
        let mut shuffled = values.to_vec();
        (0..own).filter(|_| shuffled.partial_shuffle(&mut random, x).0.iter().sum::<f64>() >= least).count() as u64
    };
    streams.into_par_iter().map(count).sum()
}

/// The number of ways to choose `x` of `count`, if it fits.
fn divisions(count: usize, x: usize) -> Option<u64> {
    (0..x as u64).try_fold(1_u64, |ways, chosen| Some(ways.checked_mul(count as u64 - chosen)? / (chosen + 1)))
}

/// How many choices of `x` of the values, added to `sum`, come to at least `least`.
fn count_sums(values: &[f64], x: usize, sum: f64, least: f64) -> u64 {
    if x == 0 {
        return u64::from(sum >= least);
    }
    if values.len() < x {
        return 0;
    }
    count_sums(&values[1..], x - 1, sum + values[0], least) + count_sums(&values[1..], x, sum, least)
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::SetInfo;

    fn list(words: &str) -> WordList {
        WordList { name: words.into(), words: words.split(' ').map(str::to_owned).collect() }
    }

    /// Attributes are the two axes, so a word's association is cos - sin of its angle.
    fn set() -> VectorSet {
        let text = || "test".to_owned();
        let info = SetInfo { id: text(), name: text(), dimension: 0, vocabulary: 0, source: text(), licence: text() };
        let rows = [
            ("a", [1.0, 0.0]),
            ("aa", [2.0, 0.0]),
            ("b", [0.0, 1.0]),
            ("bb", [0.0, 5.0]),
            ("x1", [1.0, 0.0]),
            ("x2", [4.0, 3.0]),
            ("y1", [0.0, 1.0]),
            ("y2", [3.0, 4.0]),
        ]; // associations 1, .2, -1, -.2
        VectorSet::from_rows(info, rows).unwrap()
    }

    fn test(x: &str, y: &str) -> Test {
        Test { id: "test".into(), targets: [list(x), list(y)], attributes: [list("a aa"), list("b bb")] }
    }

    #[test]
    fn effect_size_and_exact_p_are_those_worked_out_by_hand() {
        let found = associate(&set(), &test("x1 x2 unheard", "y1 y2")).unwrap();
        // Means .6 and -.6; sample variance (1 + .04 + 1 + .04) / 3; of six divisions only the actual one reaches a sum of 1.2.
        assert!((found.effect_size - 1.2 / (2.08_f64 / 3.0).sqrt()).abs() < 1e-6, "{}", found.effect_size);
        assert!((found.p_value - 1.0 / 6.0).abs() < 1e-12, "{}", found.p_value);
        assert_eq!((found.permutations, found.exact, found.used), (6, true, [2, 2, 2, 2]));
        assert_eq!(found.missing, ["unheard"]);
        for (target, expected) in found.targets.iter().zip([[("x1", 1.0), ("x2", 0.2)], [("y1", -1.0), ("y2", -0.2)]]) {
            for (found, (word, association)) in target.iter().zip(expected) {
                assert!(found.word == word && (found.association - association).abs() < 1e-6, "{found:?} is not {association}");
            }
        }
    }

    #[test]
    fn exchanging_the_targets_turns_the_sign() {
        let found = associate(&set(), &test("y1 y2", "x1 x2")).unwrap();
        assert!((found.effect_size + 1.2 / (2.08_f64 / 3.0).sqrt()).abs() < 1e-6);
        assert!((found.p_value - 1.0).abs() < 1e-12);
    }

    #[test]
    fn sampling_comes_near_the_exact_share() {
        // 24 values: 2,704,156 divisions, too many to look at. By symmetry, half of all sums reach the middle.
        let values: Vec<f64> = (0..24).map(|i| if i % 2 == 0 { f64::from(i) } else { f64::from(23 - i) }).collect();
        let mut middle: Vec<f64> = (0..12).flat_map(|i| [f64::from(i) + 0.5, -f64::from(i) - 0.5]).collect();
        let (_, p, permutations, exact) = compare(&middle, 12);
        assert!((p - 0.5).abs() < 0.02, "{p}");
        assert_eq!((permutations, exact), (SAMPLES, false));
        middle.sort_by(|a, b| b.total_cmp(a));
        assert!(compare(&middle, 12).1 < 1e-4, "the largest sum of all");
        assert_eq!(compare(&values, 12), compare(&values, 12), "seeded");
    }

    #[test]
    fn the_draws_do_not_depend_on_the_number_of_threads() {
        let values: Vec<f64> = (0..50).map(|i| f64::from(i * i % 53)).collect();
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| draw(&values, 25, 640.0, SAMPLES - 1))
        };
        let one = on(1);
        assert!((1..SAMPLES - 1).contains(&one), "{one}");
        assert_eq!((one, one), (on(2), on(5)));
        assert_eq!(draw(&values, 25, f64::NEG_INFINITY, SAMPLES - 1), SAMPLES - 1, "every draw is made");
    }

    #[test]
    fn counts_divisions() {
        assert_eq!(
            [divisions(4, 2), divisions(20, 10), divisions(50, 25), divisions(400, 200)],
            [Some(6), Some(MOST_EXACT), Some(126_410_606_437_752), None]
        );
    }

    #[test]
    fn too_few_words_and_words_on_both_sides_are_refused() {
        assert!(associate(&set(), &test("x1 nothing", "y1 y2")).is_err());
        assert!(associate(&set(), &test("x1 x2", "x2 y2")).is_err());
    }

    #[test]
    fn a_word_at_an_end_of_the_axis_lies_at_45_degrees_of_it() {
        let words = ["x1", "y1", "absent", "x2"].map(str::to_owned);
        let placed = place_on_axis(&set(), "a", "b", &words).unwrap();
        let half = 0.5_f64.sqrt();
        for (placed, (word, position)) in placed.iter().zip([("x1", half), ("x2", 0.2 * half), ("y1", -half)]) {
            assert!(placed.word == word && (placed.position - position).abs() < 1e-6, "{placed:?}");
        }
        assert_eq!(placed.len(), 3);
    }

    #[test]
    fn the_built_in_lists_are_well_formed() {
        let lists = default_lists();
        assert_eq!(lists.tests.len(), 4);
        assert!(lists.tests.iter().flat_map(|test| test.targets.iter().chain(&test.attributes)).all(|list| list.words.len() >= 8));
        assert!(lists.occupations.words.len() > 50);
    }
}
