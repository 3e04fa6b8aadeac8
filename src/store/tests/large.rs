//! Stores that grew: long curves, lists of many pages.

use super::*;

/// The curve of `train_loss` with every point, and what is given of it at most.
fn whole_and_thinned(store: &Store, id: &str, most: usize) -> (Series, Series) {
    (store.curves(id).unwrap().remove(0), store.curves_within(id, most).unwrap().remove(0))
}

#[test]
fn a_long_curve_is_thinned_and_keeps_every_extreme_also_when_points_are_said_again() {
    let (_folder, store) = store();
    let id = store.create_run(&new_run(State::Running)).unwrap().id;
    let say = |epochs: Vec<u64>, value: &dyn Fn(u64) -> f64| {
        for some in epochs.chunks(500) {
            let events: Vec<Event> = some.iter().map(|epoch| metric("loss", Split::Train, *epoch, value(*epoch))).collect();
            store.append(&id, &events).unwrap();
        }
    };
    let stretches = || -> i64 {
        let count = "SELECT count(*) FROM stretches";
        store.read(|connection| connection.query_row(count, [], |row| row.get(0))).unwrap()
    };
    let range = |series: &Series| {
        let values = || series.points.iter().map(|point| point.value);
        (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max))
    };
    let hold = |lowest: f64, highest: f64| {
        for most in [FEWEST_POINTS, 20, 300, 4999, 5000] {
            let (all, thinned) = whole_and_thinned(&store, &id, most);
            assert_eq!((range(&all), range(&thinned)), ((lowest, highest), (lowest, highest)), "of at most {most}");
            assert_eq!((all.points.len(), all.count, thinned.count), (5000, 5000, 5000));
            assert!(thinned.points.len() <= most && thinned.points.iter().all(|point| all.points[point.epoch as usize - 1] == *point));
            assert!(thinned.points.windows(2).all(|pair| pair[0].step < pair[1].step));
            assert_eq!((thinned.points.first(), thinned.points.last()), (all.points.first(), all.points.last()));
        }
    };
    let value = |epoch: u64| match epoch {
        3000 => 500.0,
        4001 => -500.0,
        _ => (epoch % 97) as f64,
    };
    say((1..=5000).collect(), &value);
    let before = stretches();
    assert!(before > 50, "{before}");
    hold(-500.0, 500.0);
    // From a checkpoint on it is said again, and came out otherwise.
    say((2990..=3100).collect(), &|_| 1.0);
    assert!(stretches() < before, "what the peak stood in is looked at anew");
    hold(-500.0, 96.0);
    say((3101..=5000).collect(), &|_| 2.0);
    assert!(stretches() > 46, "and is short again");
    hold(0.0, 96.0);
    store.append(&id, &[Event::End { state: State::Done, reason: None, outcome: None }]).unwrap();
    store.delete_run(&id).unwrap();
    assert_eq!(stretches(), 0);
}

#[test]
fn lists_are_read_page_by_page_in_every_order_and_tags_are_counted() {
    let (_folder, store) = store();
    for number in 0..25_u64 {
        let tags = vec![format!("t{}", number % 3), "all".to_owned()];
        let id = store.create_run(&NewRun { name: format!("run {}", number % 10), tags, ..new_run(State::Running) }).unwrap().id;
        if number % 4 != 0 {
            store.append(&id, &[metric("accuracy", Split::Validation, 1, (number % 5) as f64 / 10.0)]).unwrap();
        }
    }
    let accuracy = Order::Best("validation_accuracy".into());
    for order in [Order::Newest, Order::Oldest, Order::Name, Order::Duration, accuracy] {
        let whole = store.runs(&Query { order: order.clone(), limit: 100, ..Query::default() }).unwrap();
        let (mut paged, mut cursor) = (Vec::new(), None);
        loop {
            let page = store.runs(&Query { order: order.clone(), limit: 4, cursor, ..Query::default() }).unwrap();
            assert_eq!(page.count, 25);
            paged.extend(page.runs);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(paged, whole.runs, "{order:?}");
    }
    let tags = store.tags().unwrap();
    let told: Vec<(&str, u64)> = tags.iter().map(|(tag, count)| (tag.as_str(), *count)).collect();
    assert_eq!(told, [("all", 25), ("t0", 9), ("t1", 8), ("t2", 8)]);
}
