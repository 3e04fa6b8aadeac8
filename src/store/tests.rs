use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

mod large;

use super::*;
use crate::{
    data::Split,
    train::{Event, Metric, Outcome, Progress, State},
};

fn new_run(state: State) -> NewRun {
    NewRun {
        id: None,
        system: "mlp".into(),
        name: String::new(),
        config: json!({ "units": 32 }).as_object().cloned().unwrap(),
        seed: 7,
        threads: 2,
        device: "cpu".into(),
        dataset: Some(DatasetUse { id: "fashion-mnist".into(), sha256: "ab".into() }),
        versions: Map::new(),
        hardware: Map::new(),
        parameters: Some(25_450),
        tags: vec!["b".into(), " a ".into(), "b".into()],
        trial: None,
        repeats: None,
        state,
        origin: Origin::Trained,
        notes: String::new(),
    }
}

fn metric(name: &str, split: Split, epoch: u64, value: f64) -> Event {
    Event::Metric(Metric { name: name.into(), split, epoch, step: epoch * 10, value })
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

#[test]
fn a_run_reads_back_as_it_was_made() {
    let (_folder, store) = store();
    let run = store.create_run(&new_run(State::Queued)).unwrap();
    assert_eq!((run.name.as_str(), run.state, run.seed, run.parameters), (run.id.as_str(), State::Queued, 7, Some(25_450)));
    assert_eq!(run.tags, ["a", "b"], "tags are trimmed, sorted and said once");
    assert_eq!(run.config["units"], 32);
    assert_eq!(store.run(&run.id).unwrap(), run);
    assert!(matches!(store.run("mlp-0000000"), Err(AppError::NotFound { .. })));
    let large = NewRun { seed: u64::MAX, ..new_run(State::Queued) };
    assert!(matches!(store.create_run(&large), Err(AppError::Invalid { field, .. }) if field == "seed"));
    for id in ["", "../x", "Upper", "-x", "a/b", &"x".repeat(65)] {
        let named = NewRun { id: Some(id.into()), ..new_run(State::Queued) };
        assert!(matches!(store.create_run(&named), Err(AppError::Invalid { field, .. }) if field == "id"), "{id:?}");
    }
}

#[test]
fn what_follows_from_an_event_is_stored_with_it() {
    let (_folder, store) = store();
    let id = store.create_run(&new_run(State::Running)).unwrap().id;
    let progress = Progress { epoch: 2, epochs: 3, step: 20, steps: 30, elapsed_s: 1.5, eta_s: Some(0.75), examples_per_s: 1e4 };
    let last = store
        .append(
            &id,
            &[
                metric("loss", Split::Validation, 1, 0.5),
                metric("loss", Split::Validation, 2, 0.25),
                metric("loss", Split::Validation, 3, 0.375),
                metric("accuracy", Split::Validation, 2, 0.75),
                metric("accuracy", Split::Validation, 3, 0.5),
                Event::Progress(progress),
                Event::Log { message: "a word".into() },
            ],
        )
        .unwrap();
    assert_eq!(last, 8, "the first event is the state");
    let run = store.run(&id).unwrap();
    assert_eq!(run.progress, Some(progress));
    assert_eq!(run.best["validation_loss"], Best { value: 0.25, epoch: 2, last: 0.375 }, "of a loss the least is the best");
    assert_eq!(run.best["validation_accuracy"], Best { value: 0.75, epoch: 2, last: 0.5 }, "of an accuracy the greatest is");
    assert!(run.started_at.is_some() && run.ended_at.is_none());
    let curves = store.curves(&id).unwrap();
    assert_eq!(curves.iter().map(|series| series.name.as_str()).collect::<Vec<_>>(), ["validation_accuracy", "validation_loss"]);
    assert_eq!(curves[1].points.iter().map(|point| (point.epoch, point.value)).collect::<Vec<_>>(), [(1, 0.5), (2, 0.25), (3, 0.375)]);
    let log = store.log(&id, 10).unwrap();
    assert_eq!((log.len(), log[0].number), (1, 8));

    let outcome = Some(Outcome { weights: "cafe".into() });
    store.append(&id, &[Event::End { state: State::Done, reason: None, outcome }]).unwrap();
    let run = store.run(&id).unwrap();
    assert_eq!((run.state, run.weights.as_deref(), run.ended_at.is_some()), (State::Done, Some("cafe"), true));
}

#[test]
fn a_point_that_is_said_again_replaces_the_first() {
    let (_folder, store) = store();
    let id = store.create_run(&new_run(State::Running)).unwrap().id;
    store.append(&id, &[metric("loss", Split::Train, 1, 0.5), metric("loss", Split::Train, 1, 0.625)]).unwrap();
    let curves = store.curves(&id).unwrap();
    assert_eq!(curves[0].points.iter().map(|point| point.value).collect::<Vec<_>>(), [0.625]);
    assert_eq!(curves[0].split_and_name(), (Split::Train, "loss"));
}

#[test]
fn of_several_who_claim_a_run_one_gets_it() {
    let (folder, store) = store();
    let ids: Vec<String> = (0..8).map(|_| store.create_run(&new_run(State::Queued)).unwrap().id).collect();
    let claimed: Vec<String> = std::thread::scope(|scope| {
        let claim = |_| {
            let store = Store::open(folder.path()).unwrap(); // as another process has it
            scope.spawn(move || std::iter::from_fn(|| store.claim_queued().unwrap().map(|run| run.id)).collect::<Vec<_>>())
        };
        let threads: Vec<_> = (0..4).map(claim).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let mut sorted = claimed.clone();
    sorted.sort();
    let mut expected = ids;
    expected.sort();
    assert_eq!(sorted, expected);
}

#[test]
fn states_allow_what_makes_sense_in_them() {
    let (_folder, store) = store();
    let conflict = |outcome: AppResult<Run>| assert!(matches!(outcome, Err(AppError::Conflict(_))), "{outcome:?}");
    let waiting = store.create_run(&new_run(State::Queued)).unwrap().id;
    assert!(matches!(store.delete_run(&waiting), Err(AppError::Conflict(_))));
    assert_eq!(store.request_stop(&waiting).unwrap().state, State::Cancelled, "one that waits is cancelled at once");
    conflict(store.request_stop(&waiting));
    assert_eq!(store.resume_run(&waiting, State::Queued).unwrap().state, State::Queued);
    conflict(store.resume_run(&waiting, State::Queued));

    let running = store.create_run(&new_run(State::Running)).unwrap().id;
    assert!(!store.is_stop_requested(&running).unwrap());
    assert_eq!(store.request_stop(&running).unwrap().state, State::Running, "its supervisor ends it");
    assert!(store.is_stop_requested(&running).unwrap());
    store.append(&running, &[Event::End { state: State::Cancelled, reason: None, outcome: None }]).unwrap();
    assert!(!store.is_stop_requested(&running).unwrap(), "the wish is fulfilled");
    store.resume_run(&running, State::Running).unwrap();
    store.append(&running, &[Event::End { state: State::Done, reason: None, outcome: None }]).unwrap();
    conflict(store.resume_run(&running, State::Queued));
    std::fs::create_dir_all(store.run_folder(&running)).unwrap();
    store.delete_run(&running).unwrap();
    assert!(!store.run_folder(&running).exists());
    assert!(matches!(store.events_after(&running, 0, 1), Err(AppError::NotFound { .. })));
    assert!(store.is_stop_requested(&running).unwrap(), "a deleted run is not to go on");
}

#[test]
fn lists_are_filtered_sorted_and_paged() {
    let (_folder, store) = store();
    let names = ["alpha", "beta_1", "gamma", "delta", "50% off"];
    for (place, name) in names.into_iter().enumerate() {
        let tags = if place % 2 == 0 { vec!["even".to_owned()] } else { Vec::new() };
        let run = store.create_run(&NewRun { name: name.into(), tags, ..new_run(State::Running) }).unwrap();
        if place != 2 {
            let accuracy = metric("accuracy", Split::Validation, 1, [0.5, 0.9, 0.0, 0.7, 0.8][place]);
            store.append(&run.id, &[accuracy, Event::End { state: State::Done, reason: None, outcome: None }]).unwrap();
        }
    }
    let list = |query: Query| {
        let page = store.runs(&query).unwrap();
        (page.runs.into_iter().map(|run| run.name).collect::<Vec<_>>(), page.count, page.next)
    };
    let all = Query { limit: 10, ..Query::default() };
    assert_eq!(list(all.clone()).0, ["50% off", "delta", "gamma", "beta_1", "alpha"], "the newest first");
    assert_eq!(list(Query { states: vec![State::Running], ..all.clone() }).0, ["gamma"]);
    assert_eq!(list(Query { tags: vec!["even".into()], ..all.clone() }).0, ["50% off", "gamma", "alpha"]);
    assert_eq!(list(Query { text: Some("_1".into()), ..all.clone() }).0, ["beta_1"], "no character is a pattern");
    assert_eq!(list(Query { text: Some("0%".into()), ..all.clone() }).0, ["50% off"]);
    let best = Query { order: Order::Best("validation_accuracy".into()), ..all.clone() };
    assert_eq!(list(best.clone()).0, ["beta_1", "50% off", "delta", "alpha", "gamma"], "one without the series comes last");
    for order in [Order::Newest, Order::Oldest, Order::Name, best.order] {
        let whole = list(Query { order: order.clone(), ..all.clone() }).0;
        let mut paged = Vec::new();
        let mut cursor = None;
        loop {
            let (names, count, next) = list(Query { order: order.clone(), limit: 2, cursor, ..Query::default() });
            assert_eq!(count, 5);
            paged.extend(names);
            if next.is_none() {
                break;
            }
            cursor = next;
        }
        assert_eq!(paged, whole, "{order:?}");
    }
    let strange = Query { cursor: Some("x".into()), ..all };
    assert!(matches!(store.runs(&strange), Err(AppError::Invalid { field, .. }) if field == "cursor"));
    assert_eq!(store.tags().unwrap(), [("even".to_owned(), 3)]);
}

#[test]
fn another_process_s_commit_is_noticed() {
    let (folder, store) = store();
    let mut changes = store.changes().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let other = Store::open(folder.path()).unwrap();
    changes.mark_unchanged();
    other.create_run(&new_run(State::Queued)).unwrap();
    let noticed = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), changes.changed()).await });
    assert!(noticed.is_ok());
}

#[test]
fn a_store_that_cannot_be_had_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Store::open_with_patience(folder.path(), Duration::from_millis(50)).map(drop);
    let says = |outcome: AppResult<()>, what: &str| match outcome {
        Err(AppError::Unavailable(why)) => assert!(why.contains(what), "{why}"),
        other => panic!("{other:?}"),
    };
    open().unwrap();
    let file = folder.path().join("torchboard.sqlite");
    {
        let holder = rusqlite::Connection::open(&file).unwrap();
        holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
        says(open(), "held by another process");
    }
    {
        let newer = rusqlite::Connection::open(&file).unwrap();
        newer.pragma_update(None, "user_version", 99).unwrap();
        says(open(), "use a newer torchboard");
    }
    for ending in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.path().join(format!("torchboard.sqlite{ending}")));
    }
    std::fs::write(&file, "this is no database, and long enough to be looked at as one".repeat(20)).unwrap();
    says(open(), "is damaged, or no store of runs");
    let file = folder.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    says(Store::open(&file.join("below")).map(drop), "--data-dir");
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let (_folder, store) = store();
    let id = store.create_run(&new_run(State::Running)).unwrap().id;
    // SQLite's own limit on its file stands in for the disk's: it raises the same error.
    let pages: i64 = lock(&store.0.writer).pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    lock(&store.0.writer).pragma_update(None, "max_page_count", pages).unwrap();
    let lines: Vec<Event> = (0..200).map(|number| Event::Log { message: format!("{number} {}", "x".repeat(500)) }).collect();
    match store.append(&id, &lines) {
        Err(AppError::Unavailable(why)) => assert!(why.contains("is full"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(store.last_event(&id).unwrap(), 1, "all of it or nothing");
    lock(&store.0.writer).pragma_update(None, "max_page_count", 1_000_000).unwrap();
    assert_eq!(store.append(&id, &lines).unwrap(), 201);
}

#[test]
fn a_study_keeps_its_trials_and_says_what_happened() {
    let (_folder, store) = store();
    let spec: Map<String, Value> = json!({ "sampler": "random" }).as_object().cloned().unwrap();
    let new = NewStudy { id: None, name: String::new(), system: "mlp".into(), spec, origin: Origin::Trained, state: State::Queued };
    let id = store.create_study(&new).unwrap().id;
    assert_eq!(store.claim_queued_study().unwrap().unwrap().id, id);
    assert!(store.claim_queued_study().unwrap().is_none());
    let parameters = json!({ "units": 16 }).as_object().cloned().unwrap();
    let at = jiff::Timestamp::from_millisecond(1000).unwrap();
    let mut trial = Trial {
        number: 1,
        parameters,
        run: Some("r".into()),
        state: TrialState::Running,
        value: None,
        started_at: Some(at),
        ended_at: None,
    };
    store.put_trial(&id, &trial).unwrap();
    (trial.state, trial.value, trial.ended_at) = (TrialState::Done, Some(0.5), jiff::Timestamp::from_millisecond(3500).ok());
    store.put_trial(&id, &trial).unwrap();
    let study = store.study(&id).unwrap();
    assert_eq!((study.state, &study.trials), (State::Running, &vec![trial.clone()]));
    assert_eq!(trial.duration_s(), Some(2.5));
    let set_back = Trial { ended_at: jiff::Timestamp::from_millisecond(999).ok(), ..trial.clone() };
    assert_eq!(set_back.duration_s(), None, "nobody knows how long it took");
    let events = store.study_events_after(&id, 2).unwrap();
    assert_eq!(
        events.iter().map(|event| (event.number, event.data["event"].as_str().unwrap())).collect::<Vec<_>>(),
        [(3, "trial"), (4, "trial")]
    );
    let run = store.create_run(&NewRun { trial: Some((id.clone(), 1)), ..new_run(State::Queued) }).unwrap();
    assert_eq!(run.trial, Some((id.clone(), 1)));
    assert!(store.runs(&Query { without_trials: true, limit: 5, ..Query::default() }).unwrap().runs.is_empty());
    store.request_study_stop(&id).unwrap();
    assert!(store.study(&id).unwrap().stop_requested);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However a reader is cut off, what it had and what it replays are the whole stream.
    #[test]
    fn a_replay_cut_anywhere_plus_the_tail_is_the_whole_stream(batches in prop::collection::vec(1_usize..9, 1..12), cuts in prop::collection::vec(0_u64..60, 0..5)) {
        let (_folder, store) = store();
        let id = store.create_run(&new_run(State::Running)).unwrap().id;
        let mut said = 0;
        for batch in batches {
            let events: Vec<Event> = (0..batch).map(|_| { said += 1; Event::Log { message: said.to_string() } }).collect();
            store.append(&id, &events).unwrap();
        }
        let whole = store.events_after(&id, 0, 1000).unwrap();
        prop_assert_eq!(whole.len() as u64, 1 + said);
        prop_assert!(whole.iter().zip(1..).all(|(event, number)| event.number == number), "numbers have no gaps");
        let mut cuts = cuts;
        cuts.sort_unstable();
        let mut replayed: Vec<Numbered> = Vec::new();
        for cut in cuts {
            let after = replayed.last().map_or(0, |last| last.number);
            replayed.extend(store.events_after(&id, after, cut.saturating_sub(after) as usize).unwrap());
        }
        let after = replayed.last().map_or(0, |last| last.number);
        replayed.extend(store.events_after(&id, after, 1000).unwrap());
        prop_assert_eq!(replayed, whole);
    }
}

#[test]
fn a_revision_moves_with_what_pages_show_and_stays_while_a_training_speaks() {
    let (folder, store) = store();
    let mut last = store.revision().unwrap();
    let mut moved = |store: &Store| {
        let now = store.revision().unwrap();
        std::mem::replace(&mut last, now) != now
    };
    assert!(!moved(&store));
    let id = store.create_run(&new_run(State::Running)).unwrap().id;
    assert!(moved(&store), "a run came");
    let progress = Progress { epoch: 1, epochs: 3, step: 10, steps: 30, elapsed_s: 0.5, eta_s: None, examples_per_s: 1e4 };
    store.append(&id, &[metric("loss", Split::Train, 1, 0.5), Event::Progress(progress), Event::Log { message: "a word".into() }]).unwrap();
    assert!(!moved(&store), "it speaks");
    store.append(&id, &[Event::State { state: State::Interrupted, reason: None }]).unwrap();
    assert!(moved(&store), "its state");
    store.change_run(&id, &Change { notes: Some("seen".into()), ..Change::default() }).unwrap();
    assert!(moved(&store), "its notes");
    store.revise();
    assert!(moved(&store), "its folder");
    // Another process.
    let other = Store::open(folder.path()).unwrap();
    other.delete_run(&id).unwrap();
    assert!(moved(&store) && !moved(&store), "it went");
}
