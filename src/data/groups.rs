//! Which images of a data set show one and the same thing, such as one lesion: read from a table, and a split that keeps them together.

use std::{path::Path, sync::Arc};

use xxhash_rust::xxh3::xxh3_64;

use super::{
    examples::{DataError, Examples, Split},
    manifest::Dataset,
    npz,
};

/// The group of each image. Groups are numbered from 0; one number is one group in all splits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// In the order of [`Split::ALL`], each `[n]` in the split's own order.
    splits: [Arc<[u32]>; 3],
    /// What each is called; empty where they have no names.
    names: Vec<String>,
}

/// Why it is not known which images belong together: a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Ungrouped(pub(super) String);

impl Groups {
    /// Of numbers in the order of [`Split::ALL`].
    pub(super) fn numbered(splits: [Vec<u32>; 3], names: Vec<String>) -> Self {
        Self { splits: splits.map(Arc::from), names }
    }

    /// The group of each image of a split, `[n]`.
    #[must_use]
    pub fn of(&self, split: Split) -> &Arc<[u32]> {
        &self.splits[place(split)]
    }

    /// What a group is called, such as `HAM_0000550`.
    #[must_use]
    pub fn name(&self, group: u32) -> Option<&str> {
        self.names.get(group as usize).map(String::as_str)
    }
}

/// What decides a split by groups beside the files, for the data set's checksum.
pub(super) const DEALING: &str = "dealt by group, quotas of the published split, order of XXH3, version 1\n";

/// A table of groups: label and group of each image of the published splits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// In the order of [`Split::ALL`].
    rows: [Vec<Row>; 3],
    /// In the order of their names.
    names: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    label: u8,
    group: u32,
}

/// A line of the table; what else stands in it is not needed.
#[derive(serde::Deserialize)]
struct Line {
    split: String,
    index: usize,
    label: u8,
    lesion_id: String,
}

impl Table {
    /// Reads a CSV file with the columns `split` (`train`, `val`, `test`), `index` (from 0 within the split), `label` and `lesion_id`.
    ///
    /// # Errors
    /// When it is no such table, or lacks an image of `dataset`, names one twice or one that is not there.
    pub(super) fn read(path: &Path, dataset: &Dataset) -> Result<Self, DataError> {
        let fault = |reason: String| DataError::new(path, reason);
        let mut reader = csv::Reader::from_path(path).map_err(|error| fault(format!("can't be opened: {error}")))?;
        let lines: Vec<Line> =
            reader.deserialize().collect::<Result<_, _>>().map_err(|error| fault(format!("is no table of groups: {error}")))?;
        let mut names: Vec<String> = lines.iter().map(|line| line.lesion_id.clone()).collect();
        names.sort_unstable();
        names.dedup();
        let mut rows = Split::ALL.map(|split| vec![None; dataset.count(split)]);
        for Line { split, index, label, lesion_id } in lines {
            let known = if split == "val" { Some(Split::Validation) } else { Split::named(&split) };
            let row = known.and_then(|split| rows[place(split)].get_mut(index));
            let row = row.ok_or_else(|| fault(format!("names the image {index} of {split}, which is not there")))?;
            let group = names.binary_search(&lesion_id).map_err(|_| fault(format!("names the group {lesion_id:?} nowhere")))?;
            if row.replace(Row { label, group: group as u32 }).is_some() {
                return Err(fault(format!("names the image {index} of {split} twice")));
            }
        }
        let mut complete = [const { Vec::new() }; 3];
        for (split, (found, rows)) in Split::ALL.into_iter().zip(complete.iter_mut().zip(rows)) {
            let missing = rows.iter().position(Option::is_none);
            if let Some(index) = missing {
                return Err(fault(format!("lacks the image {index} of {}", split.name())));
            }
            *found = rows.into_iter().flatten().collect();
        }
        Ok(Self { rows: complete, names })
    }

    /// The groups of the published splits.
    pub(super) fn published(&self) -> Groups {
        let numbers = |rows: &Vec<Row>| rows.iter().map(|row| row.group).collect();
        Groups::numbered(self.rows.each_ref().map(numbers), self.names.clone())
    }

    /// The groups of the splits that are dealt out anew.
    pub(super) fn dealt(&self) -> Groups {
        let numbers = |places: Vec<Place>| places.into_iter().map(|place| self.row(place).group).collect();
        Groups::numbered(self.deal().map(numbers), self.names.clone())
    }

    /// Deals all images out so that every group is in one split only, and every split has as many images of each class as the published
    /// split of its name, as near as whole groups come to that. For each split in the order of [`Split::ALL`], the images in their published
    /// order: training, validation, test.
    ///
    /// The groups of a class, in the order of a hash of their names, go to the test split while there is room for all their images, else to
    /// validation, else to training: nothing but names and labels decides.
    fn deal(&self) -> [Vec<Place>; 3] {
        let mut groups: Vec<(u8, u64, u32, usize)> = Vec::with_capacity(self.names.len()); // label, hash, group, images
        let mut sizes = vec![(0_u8, 0_usize); self.names.len()];
        let mut room = [[0_usize; 256]; 3];
        for (split, rows) in self.rows.iter().enumerate() {
            for row in rows {
                // A group has one class; were there two, the last one would count.
                sizes[row.group as usize] = (row.label, sizes[row.group as usize].1 + 1);
                room[split][usize::from(row.label)] += 1;
            }
        }
        for (group, (name, (label, size))) in self.names.iter().zip(sizes).enumerate() {
            groups.push((label, xxh3_64(name.as_bytes()), group as u32, size));
        }
        groups.sort_unstable();
        let mut split_of = vec![place(Split::Train); groups.len()];
        for (label, _, group, size) in groups {
            for split in [place(Split::Test), place(Split::Validation)] {
                let room = &mut room[split][usize::from(label)];
                if *room >= size {
                    *room -= size;
                    split_of[group as usize] = split;
                    break;
                }
            }
        }
        let mut dealt = [const { Vec::new() }; 3];
        for (split, rows) in self.rows.iter().enumerate() {
            for (index, row) in rows.iter().enumerate() {
                dealt[split_of[row.group as usize]].push(Place { split, index });
            }
        }
        dealt
    }

    fn row(&self, at: Place) -> Row {
        self.rows[at.split][at.index]
    }
}

/// Where an image stands in the published splits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// In the order of [`Split::ALL`].
    split: usize,
    index: usize,
}

/// One split, dealt out anew, of the archive `images`, whose groups the table at `table` tells.
///
/// # Errors
/// As [`npz::read`] and [`Table::read`]; when both disagree on a label.
pub(super) fn read_dealt(images: &Path, table: &Path, split: Split, dataset: &Dataset) -> Result<Examples, DataError> {
    let classes = dataset.classes.len();
    let groups = Table::read(table, dataset)?;
    let published = Split::ALL.map(|split| npz::read(images, split, classes));
    let [train, validation, test] = published;
    let published = [train?, validation?, test?];
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for at in &groups.deal()[place(split)] {
        let examples = &published[at.split];
        let (image, label) = (examples.image(at.index), examples.labels().get(at.index).copied());
        let (Some(image), Some(label)) = (image, label) else {
            return Err(DataError::new(table, "names more images than there are"));
        };
        if label != groups.row(*at).label {
            let reason = format!(
                "says that image {} of {} is of class {}; it is of {label}",
                at.index,
                Split::ALL[at.split].name(),
                groups.row(*at).label
            );
            return Err(DataError::new(table, reason));
        }
        pixels.extend_from_slice(image);
        labels.push(label);
    }
    Examples::new(images, pixels, labels, published[0].shape(), classes)
}

/// In the order of [`Split::ALL`].
fn place(split: Split) -> usize {
    split as usize
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, io::Write as _};

    use proptest::prelude::*;

    use super::*;
    use crate::data::datasets;

    /// A data set of so many images in its splits, and a table of it.
    fn read(counts: [usize; 3], text: &str) -> Result<Table, DataError> {
        let splits = Split::ALL.into_iter().zip(counts).collect();
        let dataset = Dataset { splits, ..datasets()[3].clone() };
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Table::read(file.path(), &dataset)
    }

    const HEAD: &str = "split,index,image_id,label,dx,lesion_id\n";

    #[test]
    fn a_table_gives_images_of_one_name_one_number() {
        let table = read([2, 1, 1], &format!("{HEAD}train,1,a,5,nv,b\nval,0,b,5,nv,a\ntest,0,c,4,mel,c\ntrain,0,d,5,nv,a\n")).unwrap();
        let groups = table.published();
        assert_eq!(Split::ALL.map(|split| groups.of(split).to_vec()), [vec![0, 1], vec![0], vec![2]]);
        assert_eq!((groups.name(2), groups.name(3)), (Some("c"), None));
    }

    #[test]
    fn what_is_missing_doubled_or_strange_is_named() {
        let fault = |lines: &str| read([1, 0, 1], &format!("{HEAD}{lines}")).unwrap_err().reason;
        assert!(fault("train,0,a,5,nv,a\n").contains("lacks the image 0 of test"));
        assert!(fault("train,0,a,5,nv,a\ntrain,0,a,5,nv,b\n").contains("names the image 0 of train twice"));
        assert!(fault("train,1,a,5,nv,a\n").contains("names the image 1 of train, which is not there"));
        assert!(fault("half,0,a,5,nv,a\n").contains("of half, which is not there"));
        assert!(fault("train,x,a,5,nv,a\n").contains("is no table of groups"));
        assert!(read([1, 0, 0], "split,index\ntrain,0\n").unwrap_err().reason.contains("is no table of groups"));
        assert!(read([1, 0, 0], "").is_err());
    }

    /// Groups of one to three images of three classes; nearly half of them straddle the published splits.
    fn straddling() -> Table {
        let mut text = String::from(HEAD);
        let mut counts = [0; 3];
        for group in 0..300 {
            for image in 0..=(group * 7 % 5 % 3) {
                let split = [0, 2, 0, 1, 0][(group + image) % 5];
                let name = ["train", "val", "test"][split];
                let line = format!("{name},{},x,{},x,g{group}\n", counts[split], group % 3);
                text.push_str(&line);
                counts[split] += 1;
            }
        }
        read(counts, &text).unwrap()
    }

    #[test]
    fn dealt_out_anew_no_group_is_in_two_splits_and_classes_keep_their_shares() {
        let table = straddling();
        let of = |groups: &Groups| Split::ALL.map(|split| groups.of(split).iter().copied().collect::<BTreeSet<u32>>());
        let [train, validation, test] = of(&table.published());
        assert!(train.intersection(&test).count() > 20, "there is something to mend");
        let dealt = table.dealt();
        let [train_dealt, validation_dealt, test_dealt] = of(&dealt);
        for (one, other) in [(&train_dealt, &validation_dealt), (&train_dealt, &test_dealt), (&validation_dealt, &test_dealt)] {
            assert_eq!(one.intersection(other).count(), 0);
        }
        let all = |parts: [&BTreeSet<u32>; 3]| parts.into_iter().flatten().copied().collect::<BTreeSet<u32>>();
        assert_eq!(all([&train, &validation, &test]), all([&train_dealt, &validation_dealt, &test_dealt]));
        let counts = |places: &[Place]| {
            let mut counts = [0_usize; 3];
            places.iter().for_each(|at| counts[usize::from(table.row(*at).label)] += 1);
            counts
        };
        for (places, rows) in table.deal().iter().zip(&table.rows) {
            let published = [0, 1, 2].map(|label| rows.iter().filter(|row| row.label == label).count());
            assert_eq!(counts(places), published, "groups of one image fill what is left");
            assert!(places.is_sorted_by_key(|at| (at.split, at.index)));
        }
        assert_eq!(dealt, table.dealt(), "nothing is left to chance");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_table_crashes_the_reader(lines in prop::collection::vec(("train|val|test|x|\"", -1..4_i64, -1..300_i64, "[a-c,\"\n\r\u{0}é]{0,6}"), 0..8)) {
            let rows: String = lines.iter().map(|(split, index, label, group)| format!("{split},{index},a,{label},nv,{group}\n")).collect();
            if let Ok(table) = read([1, 1, 1], &format!("{HEAD}{rows}")) {
                let groups = table.dealt();
                prop_assert!(Split::ALL.iter().map(|split| groups.of(*split).len()).sum::<usize>() == 3);
            }
        }
    }
}
