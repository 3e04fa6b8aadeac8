//! The real data sets, where they are: found, checked, read, split by lesion and fetched from a mirror.

use std::{fs, path::PathBuf};

use torchboard::data::{Datasets, Split, State};

use crate::{
    datasets::{Mirror, settings, states, with_mirror},
    support::command,
};

fn real() -> Option<PathBuf> {
    let folder = std::env::var_os("TORCHBOARD_DATA").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: TORCHBOARD_DATA is not set");
    }
    folder
}

#[test]
fn the_real_data_sets_are_found_checked_and_read() {
    let Some(folder) = real() else { return };
    let data_dir = tempfile::tempdir().unwrap();
    let open = || Datasets::open(&settings(data_dir.path(), Some(&folder)));
    let datasets = open();
    for id in ["mnist", "fashion-mnist", "ham10000-28", "ham10000-28-grouped"] {
        let dataset = datasets.get(id).unwrap();
        let status = datasets.status(dataset);
        assert_eq!((status.state, status.reason), (State::Ready, None), "{id}");
        for (split, count) in &dataset.splits {
            let examples = datasets.examples(dataset, *split).unwrap();
            assert_eq!((examples.len(), examples.shape()), (*count, dataset.shape), "{id}");
        }
    }
    let counts = |id: &str, split| {
        let dataset = datasets.get(id).unwrap();
        datasets.examples(dataset, split).unwrap().class_counts(dataset.classes.len())
    };
    assert_eq!(counts("fashion-mnist", Split::Train), [6000; 10]);
    assert_eq!(counts("mnist", Split::Test), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    for id in ["ham10000-28", "ham10000-28-grouped"] {
        assert_eq!(counts(id, Split::Train), [228, 359, 769, 80, 779, 4693, 99], "{id}");
        assert_eq!(counts(id, Split::Validation), [33, 52, 110, 12, 111, 671, 14], "{id}");
        assert_eq!(counts(id, Split::Test), [66, 103, 220, 23, 223, 1341, 29], "{id}");
    }
    let again = open();
    assert!(again.list().iter().filter(|dataset| again.status(dataset).state == State::Ready).count() >= 7);
}

/// By lesion: which of the published test images a network has met before, and that none is met in the split that was made for it.
#[test]
fn lesions_are_on_both_sides_of_the_published_split_and_not_of_the_other() {
    let Some(folder) = real() else { return };
    let data_dir = tempfile::tempdir().unwrap();
    let datasets = Datasets::open(&settings(data_dir.path(), Some(&folder)));
    let of = |id: &str| Split::ALL.map(|split| datasets.groups(datasets.get(id).unwrap()).unwrap().of(split).to_vec());
    let distinct = |groups: &[u32]| groups.iter().copied().collect::<std::collections::BTreeSet<u32>>();
    let [train, validation, test] = of("ham10000-28");
    assert_eq!(distinct(&train).intersection(&distinct(&test)).count(), 641);
    let met = distinct(&[train, validation].concat());
    assert_eq!(test.iter().filter(|lesion| !met.contains(lesion)).count(), 1232);
    let [train, validation, test] = of("ham10000-28-grouped").map(|groups| distinct(&groups));
    assert_eq!(train.len() + validation.len() + test.len(), 7470, "every lesion is in one split");
    assert!(train.is_disjoint(&validation) && train.is_disjoint(&test) && validation.is_disjoint(&test));
    let images = |id: &str| {
        let of = |split| {
            let examples = datasets.examples(datasets.get(id).unwrap(), split).unwrap();
            (0..examples.len()).map(|index| (examples.image(index).unwrap().to_vec(), examples.labels()[index])).collect::<Vec<_>>()
        };
        let mut all = Split::ALL.map(of).concat();
        all.sort_unstable();
        all
    };
    assert!(images("ham10000-28") == images("ham10000-28-grouped"), "the same images with the same labels");
}

/// Without the table the images are as good as ever, and nobody knows whose they are.
#[test]
fn images_are_ready_without_the_table_of_lesions() {
    let Some(folder) = real() else { return };
    let (root, data_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let place = root.path().join("dermamnist-alone");
    fs::create_dir(&place).unwrap();
    let name = "ham10000_28x28_medmnist_split.npz";
    std::os::unix::fs::symlink(folder.join("dermamnist-from-ham10000").join(name), place.join(name)).unwrap();
    let datasets = Datasets::open(&settings(data_dir.path(), Some(root.path())));
    let (own, grouped) = (datasets.get("ham10000-28").unwrap(), datasets.get("ham10000-28-grouped").unwrap());
    assert_eq!((datasets.status(own).state, datasets.status(grouped).state), (State::Ready, State::Absent));
    let reason = datasets.groups(own).unwrap_err().to_string();
    assert!(reason.starts_with("split.csv says which images") && reason.contains("dermamnist-alone"), "{reason}");
    assert!(datasets.advice(grouped, &datasets.status(grouped)).contains("npz and split.csv into the folder dermamnist*/"));
    fs::write(place.join("split.csv"), "split,index,label,lesion_id\n").unwrap();
    let reason = datasets.groups(own).unwrap_err().to_string();
    assert!(reason.contains("lacks the image 0 of train"), "{reason}");
    assert_eq!(datasets.status(own).state, State::Ready);
    assert!(
        datasets.groups(datasets.get("dermamnist").unwrap()).unwrap_err().to_string().starts_with("Nobody says which images of DermaMNIST")
    );
}

#[test]
fn a_real_data_set_is_fetched_from_a_mirror_into_the_data_folder() {
    let Some(folder) = real() else { return };
    let (mirror, data_dir) = (Mirror::start(Some(folder), None), tempfile::tempdir().unwrap());
    let fetch =
        || command().args(["fetch", "fashion-mnist", "--mirror", &mirror.address, "--data-dir"]).arg(data_dir.path()).output().unwrap();
    let output = fetch();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("60000 train, 10000 test images in") && said.contains("MIT (Zalando SE)"), "{said}");
    let datasets = Datasets::open(&settings(data_dir.path(), None));
    assert_eq!(datasets.status(datasets.get("fashion-mnist").unwrap()).state, State::Ready);
    assert!(String::from_utf8(fetch().stderr).unwrap().is_empty(), "what is here is not fetched again");
}

#[tokio::test]
async fn a_real_data_set_is_fetched_by_the_server_and_then_shown() {
    let Some(folder) = real() else { return };
    let mirror = Mirror::start(Some(folder), None);
    let server = with_mirror(&mirror);
    assert_eq!(server.request("POST", "/api/v1/datasets/fashion-mnist/fetch").send().await.unwrap().status(), 202);
    let events = server.page("/api/v1/datasets/fashion-mnist/events").await;
    assert!(events.contains(r#""state":"ready""#), "{events}");
    assert_eq!(states(&server).await["fashion-mnist"], "ready");
    let page = server.page("/datasets").await;
    assert!(page.contains("/api/v1/datasets/fashion-mnist/images/train/59.png"), "the first that is ready is shown");
    assert_eq!(server.get("/api/v1/datasets/fashion-mnist/images/test/9999.png").await.status(), 200);
}
