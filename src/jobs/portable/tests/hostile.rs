//! Files of runs that were cut or altered on their way, and such as were written to do harm.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

/// A file of one run, and that run.
static WHOLE: LazyLock<(Vec<u8>, Run)> = LazyLock::new(|| {
    let (_folder, source) = store();
    let run = finished(&source, None);
    (exported(&source, &run), run)
});

/// The file with another manifest.
fn edited(edit: impl Fn(&mut Value)) -> Vec<u8> {
    changed(&WHOLE.0, |name, bytes| {
        if name != MANIFEST {
            return Some((name.to_owned(), bytes));
        }
        let mut value = serde_json::from_slice(&bytes).unwrap();
        edit(&mut value);
        Some((name.to_owned(), serde_json::to_vec(&value).unwrap()))
    })
}

/// The file with other bytes in place of this member.
fn replaced(member: &str, with: &[u8]) -> Vec<u8> {
    changed(&WHOLE.0, |name, bytes| Some((name.to_owned(), if name == member { with.to_vec() } else { bytes })))
}

/// Why the file is refused; nothing of it may be left.
fn refused(file: &[u8]) -> String {
    let (_folder, target) = store();
    let outcome = import(&target, Cursor::new(file), Origin::Imported);
    let Err(AppError::Invalid { reason, .. }) = outcome else { panic!("{outcome:?}") };
    assert!(is_empty(&target), "{reason}");
    reason
}

fn is_empty(target: &Store) -> bool {
    target.run(&WHOLE.1.id).is_err() && fs::read_dir(target.run_folder("")).unwrap().next().is_none()
}

#[test]
fn what_no_run_of_this_program_can_be_is_refused_before_a_page_stumbles_over_it() {
    type Edit = fn(&mut Value);
    let cases: [(&str, Edit); 10] = [
        ("which no resnet14 of this program can be", |value| value["runs"][0]["system"] = json!("resnet14")),
        ("config.units", |value| value["runs"][0]["config"]["units"] = json!(0)),
        ("config.units", |value| value["runs"][0]["config"]["units"] = json!(u64::MAX)),
        ("config.evil", |value| value["runs"][0]["config"]["evil"] = json!("<script>")),
        ("config.dataset", |value| value["runs"][0]["config"]["dataset"] = json!("../../etc/passwd")),
        ("there is no data set", |value| value["runs"][0]["config"] = json!({})),
        ("longer than a run's can be", |value| value["runs"][0]["name"] = json!("x".repeat(1 << 20))),
        ("longer than a run's can be", |value| value["runs"][0]["notes"] = json!("x".repeat(1 << 20))),
        ("more than a line", |value| value["runs"][0]["name"] = json!("one\r\nset-cookie: session=x")),
        ("twice", |value| {
            let again = value["runs"][0].clone();
            value["runs"].as_array_mut().unwrap().push(again);
        }),
    ];
    for (says, edit) in cases {
        let reason = refused(&edited(edit));
        assert!(reason.contains(says), "{says}: {reason}");
    }
    let study = json!({ "id": "s", "name": "s", "system": "mlp", "state": "done", "reason": null, "spec": { "space": 1 },
        "created_at": "2026-01-01T00:00:00Z", "started_at": null, "ended_at": null, "trials": [] });
    let reason = refused(&edited(|value| value["study"] = study.clone()));
    assert!(reason.contains("the study s, which this program can't have made"), "{reason}");
}

#[test]
fn no_name_in_a_file_leads_out_of_its_run_s_folder() {
    let id = &WHOLE.1.id;
    for name in [
        "../evil".to_owned(),
        "/tmp/evil".to_owned(),
        "runs/../../evil".to_owned(),
        format!("runs/{id}/../evil.safetensors"),
        format!("runs/{id}/..\\..\\evil.safetensors"),
        format!("runs\\{id}\\weights.safetensors"),
        "C:\\evil".to_owned(),
        format!("runs/{id}/weights.safetensors/"),
        format!("runs/{id}/./weights.safetensors"),
        format!("RUNS/{id}/weights.safetensors"),
    ] {
        let mut archive = ZipWriter::new_append(Cursor::new(WHOLE.0.clone())).unwrap();
        archive.start_file(name.as_str(), SimpleFileOptions::default()).unwrap();
        archive.write_all(b"evil").unwrap();
        let reason = refused(&archive.finish().unwrap().into_inner());
        assert!(reason.contains("does not name"), "{name}: {reason}");
        // Nor where the manifest names it.
        let file = edited(|value| value["runs"][0]["files"][&name] = json!({ "bytes": 4, "sha256": sha256(b"evil") }));
        assert!(refused(&file).contains("no file of a run"), "{name}");
    }
    for id in ["..", ".", "", "a/b", "a\\b", "-a", "A", "a.b", "a\0", "a\r\nb", &"a".repeat(65)] {
        assert!(refused(&edited(|value| value["runs"][0]["id"] = json!(id))).contains("for an id"), "{id:?}");
    }
}

#[test]
fn of_two_members_of_one_name_none_is_taken_for_what_the_manifest_promises() {
    let name = format!("runs/{}/weights.safetensors", WHOLE.1.id);
    // A zip writer refuses the second one: it gets its name afterwards.
    let stand_in = name.replace("safetensors", "safetensorz");
    let mut archive = ZipWriter::new_append(Cursor::new(WHOLE.0.clone())).unwrap();
    archive.start_file(stand_in.as_str(), SimpleFileOptions::default()).unwrap();
    archive.write_all(b"evil").unwrap();
    let mut file = archive.finish().unwrap().into_inner();
    let places: Vec<usize> = (0..file.len() - stand_in.len()).filter(|&at| file[at..].starts_with(stand_in.as_bytes())).collect();
    assert_eq!(places.len(), 2, "in its own header and in the directory");
    places.into_iter().for_each(|at| file[at..at + name.len()].copy_from_slice(name.as_bytes()));
    let (_folder, target) = store();
    match import(&target, Cursor::new(&file), Origin::Imported) {
        Ok(_) => assert_eq!(fs::read(target.run_folder(&WHOLE.1.id).join("weights.safetensors")).unwrap(), weights()),
        Err(AppError::Invalid { .. }) => assert!(is_empty(&target)),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_bomb_is_given_up_where_the_manifest_says_that_it_ends() {
    let weights = format!("runs/{}/weights.safetensors", WHOLE.1.id);
    // 64 MB of nothing in 64 kB; the manifest promises a hundred bytes.
    let bomb = replaced(&weights, &vec![0; 64 << 20]);
    assert!(bomb.len() < 1 << 20 && refused(&bomb).contains("holds another"), "{}", bomb.len());
    let bomb = replaced(MANIFEST, &vec![b' '; (MANIFEST_AT_MOST + 1) as usize]);
    assert!(bomb.len() < 1 << 20 && refused(&bomb).contains("of more than"), "{}", bomb.len());
    // Brackets within brackets end no stack.
    let deep = "[".repeat(1 << 20);
    assert!(refused(&replaced(MANIFEST, deep.as_bytes())).contains("can't be read"));
    let events = format!("runs/{}/{EVENTS}", WHOLE.1.id);
    let file = changed(&replaced(&events, deep.as_bytes()), |name, bytes| {
        if name != MANIFEST {
            return Some((name.to_owned(), bytes));
        }
        let mut value: Value = serde_json::from_slice(&bytes).unwrap();
        value["runs"][0]["files"][EVENTS] = json!({ "bytes": deep.len(), "sha256": sha256(deep.as_bytes()) });
        Some((name.to_owned(), serde_json::to_vec(&value).unwrap()))
    });
    assert!(refused(&file).contains("an event that is none"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_file_that_was_altered_or_cut_anywhere_is_refused_or_holds_the_same(place in any::<prop::sample::Index>(), bits in 1..=255_u8, cut in any::<bool>()) {
        let (whole, run) = &*WHOLE;
        let mut altered = whole.clone();
        let place = place.index(whole.len());
        if cut {
            altered.truncate(place);
        } else {
            altered[place] ^= bits;
        }
        let (_folder, target) = store();
        match import(&target, Cursor::new(&altered), Origin::Imported) {
            Ok(_) => {
                let copy = target.run(&run.id).unwrap();
                prop_assert_eq!(&exported(&target, &copy), whole);
            }
            Err(AppError::Invalid { reason, .. }) => prop_assert!(is_empty(&target) && reason.ends_with('.'), "{}", reason),
            Err(other) => return Err(TestCaseError::fail(format!("{other:?}"))),
        }
    }
}
