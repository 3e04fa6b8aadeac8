//! The figures of the report's section on words, as structured data, and the word groups of its maps.
//!
//! They stand in `data/report/words.json`; a page shows them beside what it computes itself.

use std::sync::LazyLock;

use serde::Deserialize;

/// The report's results on words.
///
/// # Panics
/// Never in a build whose tests passed: the file is part of the binary.
#[must_use]
pub fn report() -> &'static WordsReport {
    static REPORT: LazyLock<WordsReport> = LazyLock::new(|| {
        serde_json::from_str(include_str!("../../data/report/words.json")).expect("data/report/words.json is well formed")
    });
    &REPORT
}

/// Section 1 of the report.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordsReport {
    /// The vectors that the report used.
    pub vectors: Vectors,
    /// Ten nearest words of five words.
    pub neighbors: Vec<Nearest>,
    /// For each of three words, a near and a far one.
    pub distances: Vec<NearAndFar>,
    /// Five triples, each asked both ways round.
    pub analogies: Vec<Analogy>,
    /// Five maps of word groups in two dimensions.
    pub maps: Vec<WordMap>,
    /// What the report found out about young : old = calf : cow.
    pub calf: Calf,
}

/// Which vectors the report used.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vectors {
    /// As their publisher calls them.
    pub name: String,
    /// Values per vector.
    pub dimension: usize,
    /// Number of words.
    pub vocabulary: usize,
}

/// A word and the words nearest to it, best first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nearest {
    /// The word asked for.
    pub word: String,
    /// Ten answers.
    pub neighbors: Vec<Similar>,
}

/// A word and its cosine similarity, with the report's two decimals.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Similar {
    /// The answer.
    pub word: String,
    /// Cosine similarity to the question.
    pub similarity: f32,
}

/// A word and its cosine distance, with the report's two decimals.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distant {
    /// The other word.
    pub word: String,
    /// 1 - cosine similarity.
    pub distance: f32,
}

/// A word with one that should be near and one that should be far.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NearAndFar {
    /// The word that both are measured from.
    pub word: String,
    /// The near one.
    pub near: Distant,
    /// The far one.
    pub far: Distant,
}

/// A triple of words (w1, w2, w3), asked both ways round.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Analogy {
    /// w1, w2, w3.
    pub words: [String; 3],
    /// Nearest to w1 + w2 - w3.
    pub first: Vec<Similar>,
    /// Nearest to w1 + w3 - w2.
    pub second: Vec<Similar>,
}

/// Groups of words that the report drew as one map, and the arrows that it spoke of.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordMap {
    /// Names the map in addresses and in `locales/`.
    pub id: String,
    /// In the order of the legend.
    pub groups: Vec<Group>,
    /// Each with a direction of its own.
    pub relations: Vec<Relation>,
}

/// Words that are drawn in one colour.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Names the group in `locales/`.
    pub id: String,
    /// Its words.
    pub words: Vec<String>,
}

/// Arrows that should run one way.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relation {
    /// Names the relation in `locales/`.
    pub id: String,
    /// From, to.
    pub arrows: Vec<[String; 2]>,
}

/// young : old = calf : cow, which comes out otherwise.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calf {
    /// w1 of the question.
    pub cow: String,
    /// w2 of the question.
    pub young: String,
    /// w3 of the question.
    pub old: String,
    /// The answer hoped for.
    pub wanted: String,
    /// The nearest word that the report got.
    pub found: String,
    /// The wanted word lies nearer to this ...
    pub nearer: String,
    /// ... than to this.
    pub farther: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_of_the_report_is_complete_and_best_first() {
        let report = report();
        let lists = report
            .neighbors
            .iter()
            .map(|nearest| &nearest.neighbors)
            .chain(report.analogies.iter().flat_map(|analogy| [&analogy.first, &analogy.second]));
        let mut count = 0;
        for list in lists {
            count += 1;
            assert_eq!(list.len(), 10, "{list:?}");
            assert!(list.is_sorted_by(|a, b| a.similarity >= b.similarity), "{list:?}");
        }
        assert_eq!(count, 15, "five words and five triples both ways round");
        for pair in &report.distances {
            assert!(pair.near.distance < pair.far.distance, "{pair:?}");
        }
    }

    #[test]
    fn arrows_join_words_that_are_on_their_map() {
        let maps = &report().maps;
        assert_eq!(maps.len(), 5);
        for map in maps {
            let words: Vec<&String> = map.groups.iter().flat_map(|group| &group.words).collect();
            for end in map.relations.iter().flat_map(|relation| relation.arrows.iter().flatten()) {
                assert!(words.contains(&end), "{end} is an end of an arrow and in no group of {}", map.id);
            }
            for (index, word) in words.iter().enumerate() {
                assert!(!words[..index].contains(word), "{word} stands twice on {}", map.id);
            }
        }
    }
}
