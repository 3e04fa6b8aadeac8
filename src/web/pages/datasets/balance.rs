//! How many images each class has, in each split.

use serde_json::{Value, json};

use super::super::words::{Sentence, Voice};
use crate::{
    data::{Dataset, Split},
    error::{AppError, AppResult},
    figure::{Axis, Bar, Content, Figure, Headings},
    web::AppState,
};

/// Names the figure in addresses.
pub const NAME: &str = "datasets-balance";
/// Classes whose sizes differ by less than this factor are called balanced.
const EVEN: f64 = 1.5;

/// A split, and how many images each of its classes has.
type Counts = (Split, Vec<usize>);

/// Counts the labels.
///
/// # Errors
/// When the data set is not ready.
pub fn counts(app: &AppState, dataset: &Dataset) -> AppResult<Vec<Counts>> {
    let count = |(split, _): &(Split, usize)| -> AppResult<Counts> {
        Ok((*split, app.datasets.examples(dataset, *split)?.class_counts(dataset.classes.len())))
    };
    dataset.splits.iter().map(count).collect()
}

/// Bars under the name of their split.
pub fn figure(voice: Voice, dataset: &Dataset, counts: &[Counts]) -> Figure {
    let bars = |(split, counts): &Counts| {
        let group = voice.say(&format!("datasets-split-{}", split.name()));
        let total: usize = counts.iter().sum();
        let bar = |(name, count): (&String, &usize)| Bar {
            label: name.clone(),
            group: Some(group.clone()),
            value: *count as f64,
            reference: None,
            note: Some(format!("{:.1}%", 100.0 * *count as f64 / total as f64)),
        };
        dataset.classes.iter().zip(counts).map(bar).collect::<Vec<_>>()
    };
    Figure {
        id: NAME.to_owned(),
        title: format!("{}: {}", dataset.about.name, voice.say("datasets-balance-title")),
        reading: voice.sentence(&reading(dataset, counts)),
        horizontal: Axis { label: voice.say("datasets-images"), ..Axis::default() },
        vertical: Axis { label: voice.say("datasets-class"), ..Axis::default() },
        content: Content::Bars { bars: counts.iter().flat_map(bars).collect(), range: None },
        headings: Headings {
            item: voice.say("datasets-class"),
            group: voice.say("datasets-split"),
            note: voice.say("datasets-share"),
            ..Headings::default()
        },
    }
}

/// What the training images show.
fn reading(dataset: &Dataset, counts: &[Counts]) -> Sentence {
    let empty = Vec::new();
    let train = counts.first().map_or(&empty, |(_, counts)| counts);
    let by_size = |(_, count): &(usize, &usize)| **count;
    let largest = train.iter().enumerate().max_by_key(by_size).map_or((0, 0), |(class, count)| (class, *count));
    let smallest = train.iter().enumerate().min_by_key(by_size).map_or((0, 0), |(class, count)| (class, *count));
    let ratio = largest.1 as f64 / smallest.1.max(1) as f64;
    let name = |class: usize| dataset.classes.get(class).cloned().unwrap_or_default();
    if largest.1 == smallest.1 {
        return Sentence::new("datasets-balance-equal").number("count", largest.1);
    }
    if ratio < EVEN {
        return Sentence::new("datasets-balance-even").number("least", smallest.1).number("most", largest.1);
    }
    Sentence::new("datasets-balance-uneven")
        .text("largest", name(largest.0))
        .text("smallest", name(smallest.0))
        .measure("ratio", ratio, 1)
        .share("share", largest.1 as f64 / train.iter().sum::<usize>().max(1) as f64)
}

/// One row for each class of each split, with fixed English names for programs.
///
/// # Errors
/// Never for numbers and words; the writer's otherwise.
pub fn csv(dataset: &Dataset, counts: &[Counts]) -> AppResult<Vec<u8>> {
    let internal = |error: csv::Error| AppError::Internal(error.into());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(internal)?;
    for (split, label, name, images) in rows(dataset, counts) {
        writer.write_record([split, &label.to_string(), name, &images.to_string()]).map_err(internal)?;
    }
    writer.into_inner().map_err(|error| AppError::Internal(error.into_error().into()))
}

/// The same rows as objects.
pub fn json(dataset: &Dataset, counts: &[Counts]) -> Value {
    let row = |(split, label, class, images)| json!({ "split": split, "label": label, "class": class, "images": images });
    json!({ "dataset": dataset.id(), "columns": COLUMNS, "rows": rows(dataset, counts).map(row).collect::<Vec<Value>>() })
}

const COLUMNS: [&str; 4] = ["split", "label", "class", "images"];

fn rows<'a>(dataset: &'a Dataset, counts: &'a [Counts]) -> impl Iterator<Item = (&'static str, usize, &'a str, usize)> {
    counts.iter().flat_map(move |(split, counts)| {
        dataset.classes.iter().zip(counts).enumerate().map(move |(label, (name, images))| (split.name(), label, name.as_str(), *images))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{data::datasets, web::language::Language};

    fn skin() -> (&'static Dataset, Vec<Counts>) {
        let dataset = datasets().iter().find(|dataset| dataset.id() == "skin-sample").unwrap();
        (dataset, vec![(Split::Train, vec![2, 4, 0, 1, 6, 40, 7]), (Split::Test, vec![1; 7])])
    }

    #[test]
    fn imbalance_is_put_into_words_and_every_face_has_the_counts() {
        let (dataset, counts) = skin();
        let figure = figure(Voice(Language::English), dataset, &counts);
        figure.check().unwrap();
        assert!(figure.reading.contains("melanocytic nevi") && figure.reading.contains("66.7%"), "{}", figure.reading);
        let csv = String::from_utf8(csv(dataset, &counts).unwrap()).unwrap();
        assert!(csv.starts_with("split,label,class,images\n") && csv.contains("\ntrain,5,melanocytic nevi,40\n"), "{csv}");
        assert_eq!(csv.lines().count(), 15);
        assert_eq!(json(dataset, &counts)["rows"][13], json!({"split": "test", "label": 6, "class": "vascular lesions", "images": 1}));
    }

    #[test]
    fn like_sizes_are_called_balanced() {
        let (dataset, mut counts) = skin();
        counts[0].1 = vec![10, 11, 12, 10, 10, 10, 10];
        let reading = figure(Voice(Language::English), dataset, &counts).reading;
        assert!(reading.contains("10 to 12"), "{reading}");
        counts[0].1 = vec![10; 7];
        let reading = figure(Voice(Language::English), dataset, &counts).reading;
        assert!(reading.contains("10 training images"), "{reading}");
    }
}
