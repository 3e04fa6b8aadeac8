//! Projections against scikit-learn, and the report's maps drawn from real vectors.
//!
//! Fixtures: `tests/fixtures/project/*.json`, made by `make.py` beside them.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::PathBuf;

use torchboard::figure::{Arrow, Axis, Bar, Content, Direction, Figure, Group, Headings, Line, Point, Theme, Width};
use torchboard::project::{Phase, Points, TsneOptions, neighbours, neighbours_within, pca, place, preservation, tsne};

const GROUPS: [(&str, &str); 10] = [
    ("family", "man woman boy girl father mother son daughter king queen prince princess uncle aunt brother sister husband wife"),
    ("people", "child children men women person people"),
    ("colours", "red green blue yellow black white brown orange purple"),
    ("animals", "dog cat horse cow calf lion tiger bird fish sheep"),
    ("countries", "iran iraq qatar emirates france germany spain china japan india"),
    ("electronics", "laptop computer phone television radio camera"),
    ("kitchen", "knife fork spoon plate cup kettle oven"),
    ("body", "hand foot leg arm head eye ear nose"),
    ("ages", "young old new ancient"),
    ("work", "doctor nurse teacher engineer"),
];

fn vectors() -> Option<HashMap<String, Vec<f32>>> {
    let folder = PathBuf::from(std::env::var_os("TORCHBOARD_DATA")?);
    let file = std::fs::File::open(folder.join("glove/glove.6B.50d.subset10244.txt.gz")).ok()?;
    let rows = BufReader::new(flate2::read::GzDecoder::new(file)).lines().map(|line| {
        let line = line.unwrap();
        let (word, numbers) = line.split_once(' ').unwrap();
        (word.to_owned(), numbers.split(' ').map(|number| number.parse().unwrap()).collect())
    });
    Some(rows.collect())
}

fn map(vectors: &HashMap<String, Vec<f32>>, names: &[&str], arrows: &[(&str, &str, &str)], method: &str) -> Figure {
    let known: Vec<(&str, Vec<&str>)> = GROUPS
        .iter()
        .filter(|(name, _)| names.contains(name))
        .map(|(name, words)| (*name, words.split(' ').filter(|word| vectors.contains_key(*word)).collect()))
        .collect();
    let values: Vec<f32> = known.iter().flat_map(|(_, words)| words).flat_map(|word| vectors[*word].clone()).collect();
    let points = Points::new(&values, 50).unwrap();
    let (plane, labels) = if method == "pca" {
        let map = pca(points, 2).unwrap();
        let share =
            |component: usize| format!("component {} ({:.0}% of variance)", component + 1, 100.0 * map.explained_variance_ratio[component]);
        (map.plane(), [share(0), share(1)])
    } else {
        let map = tsne(points, &TsneOptions::default(), &mut |_| ControlFlow::Continue(())).unwrap();
        println!("t-SNE: perplexity {:.1}, KL {:.3}, {} iterations", map.perplexity, map.kl_divergence, map.iterations);
        (map.coordinates, ["t-SNE 1".to_owned(), "t-SNE 2".to_owned()])
    };
    let mut places = plane.iter();
    let groups = known
        .iter()
        .map(|(name, words)| Group {
            name: (*name).to_owned(),
            points: words
                .iter()
                .map(|word| {
                    let place = places.next().unwrap();
                    Point { label: (*word).to_owned(), x: place[0].into(), y: place[1].into() }
                })
                .collect(),
        })
        .collect();
    let [across, up] = labels.map(|label| Axis { label, decimals: 2, ..Axis::default() });
    let arrows = arrows.iter().filter(|(from, to, _)| vectors.contains_key(*from) && vectors.contains_key(*to));
    let arrows = arrows.map(|&(from, to, relation)| Arrow { from: from.into(), to: to.into(), relation: Some(relation.into()) }).collect();
    Figure {
        id: "map".into(),
        title: "Family words by gender and age".into(),
        reading: "Man to woman runs one way, older to younger another: the same step from father to mother and from son to daughter."
            .into(),
        horizontal: across,
        vertical: up,
        content: Content::Points { groups, arrows },
        headings: Headings { item: "word".into(), ..Headings::default() },
    }
}

fn gallery(name: &str, figure: &Figure, direction: Direction) {
    figure.check().unwrap();
    let Some(folder) = std::env::var_os("FIGURE_GALLERY").map(PathBuf::from) else { return };
    for (theme, shade) in [(Theme::Light, "light"), (Theme::Dark, "dark")] {
        for (width, wide) in [(Width::Wide, "wide"), (Width::Narrow, "narrow")] {
            let picture = figure.to_png(width, theme, direction, 2.0).unwrap();
            std::fs::write(folder.join(format!("{name}-{shade}-{wide}.png")), picture).unwrap();
        }
    }
    std::fs::write(folder.join(format!("{name}.svg")), figure.to_page_svg(Width::Wide)).unwrap();
}

#[derive(serde::Deserialize)]
struct PcaFixture {
    dimension: usize,
    points: Vec<f32>,
    coordinates: Vec<f64>,
    directions: Vec<f64>,
    explained_variance: Vec<f64>,
    explained_variance_ratio: Vec<f64>,
}

#[test]
fn pca_is_scikit_learns_sign_included() {
    for fixture in [
        include_str!("../fixtures/project/pca-tall.json"),
        include_str!("../fixtures/project/pca-wide.json"),
        include_str!("../fixtures/project/pca-square.json"),
    ] {
        let fixture: PcaFixture = serde_json::from_str(fixture).unwrap();
        let map = pca(Points::new(&fixture.points, fixture.dimension).unwrap(), 2).unwrap();
        let close = |ours: f64, theirs: f64| assert!((ours - theirs).abs() <= 1e-5 * theirs.abs().max(1.0), "{ours} {theirs}");
        assert_eq!(map.coordinates.len(), fixture.coordinates.len());
        map.coordinates.iter().zip(&fixture.coordinates).for_each(|(&ours, &theirs)| close(ours.into(), theirs));
        map.directions.iter().zip(&fixture.directions).for_each(|(&ours, &theirs)| close(ours.into(), theirs));
        map.explained_variance.iter().zip(&fixture.explained_variance).for_each(|(&ours, &theirs)| close(ours, theirs));
        map.explained_variance_ratio.iter().zip(&fixture.explained_variance_ratio).for_each(|(&ours, &theirs)| close(ours, theirs));
    }
}

#[test]
fn the_reports_maps_show_every_word() {
    let Some(vectors) = vectors() else {
        println!("skipped: TORCHBOARD_DATA names no folder with GloVe vectors");
        return;
    };
    let gender = "man to woman";
    let family = [
        ("man", "woman", gender),
        ("boy", "girl", gender),
        ("father", "mother", gender),
        ("son", "daughter", gender),
        ("king", "queen", gender),
        ("prince", "princess", gender),
        ("uncle", "aunt", gender),
        ("brother", "sister", gender),
        ("husband", "wife", gender),
        ("man", "boy", "older to younger"),
        ("woman", "girl", "older to younger"),
        ("father", "son", "older to younger"),
        ("mother", "daughter", "older to younger"),
    ];
    let many = ["family", "colours", "animals", "countries", "body", "electronics"];
    for (name, groups, arrows, method) in [
        ("family", &["family"][..], &family[..], "pca"),
        ("clusters", &["colours", "animals", "countries"], &[], "pca"),
        ("clusters-tsne", &["colours", "animals", "countries"], &[], "tsne"),
        ("sixty", &many, &[], "pca"),
        ("sixty-tsne", &many, &[], "tsne"),
    ] {
        let figure = map(&vectors, groups, arrows, method);
        gallery(name, &figure, Direction::LeftToRight);
        let words = figure.to_table().rows.len();
        for width in [Width::Wide, Width::Narrow] {
            let shown = figure.to_page_svg(width).matches("class=\"figure-label ").count();
            println!("{name}: {shown} of {words} labels at {} px", width.pixels());
            assert!(shown * 100 >= words * 97, "{name}: {shown} of {words} labels at {} px", width.pixels());
        }
    }
}

#[test]
fn bars_and_lines_are_drawn() {
    let bar = |label: &str, value: f64, reference: Option<f64>| Bar { label: label.into(), value, reference, ..Bar::default() };
    let bars = Figure {
        id: "bars".into(),
        title: "همسایه‌های واژهٔ mother".into(),
        reading: "نزدیک‌ترین واژه‌ها به mother همه از خانواده‌اند؛ نشانهٔ عمودی عدد گزارش است.".into(),
        horizontal: Axis { label: "شباهت کسینوسی".into(), decimals: 3, ..Axis::default() },
        vertical: Axis::default(),
        content: Content::Bars {
            bars: vec![
                bar("daughter", 0.871, Some(0.86)),
                bar("wife", 0.86, Some(0.86)),
                bar("grandmother", 0.841, Some(0.84)),
                bar("خواهر", 0.7, None),
            ],
            range: Some((0.0, 1.0)),
        },
        headings: Headings { reference: "گزارش".into(), ..Headings::default() },
    };
    gallery("bars", &bars, Direction::RightToLeft);
    let axis = Figure {
        title: "Occupations between she and he".into(),
        reading: "Nurse and librarian lean towards she, captain and architect towards he.".into(),
        horizontal: Axis { label: "cosine with he - she".into(), decimals: 2, ..Axis::default() },
        content: Content::Bars {
            bars: vec![
                Bar { note: Some("rank 1".into()), ..bar("captain", 0.21, None) },
                bar("architect", 0.13, None),
                bar("teacher", -0.08, None),
                bar("librarian", -0.19, None),
                Bar { note: Some("rank 5".into()), ..bar("nurse", -0.31, None) },
            ],
            range: None,
        },
        headings: Headings::default(),
        ..bars
    };
    gallery("axis", &axis, Direction::LeftToRight);
    let curve = |scale: f64, fall: f64| (1..=10).map(|epoch| (f64::from(epoch), scale * (-fall * f64::from(epoch)).exp() + 0.01)).collect();
    let lines = Figure {
        title: "Loss of the triplet network".into(),
        reading: "Training loss keeps falling while validation loss levels off after epoch six.".into(),
        horizontal: Axis { label: "epoch".into(), decimals: 0, ..Axis::default() },
        vertical: Axis { label: "loss".into(), decimals: 4, ..Axis::default() },
        content: Content::Lines {
            lines: vec![
                Line { name: "training".into(), points: curve(0.12, 0.5), ..Line::default() },
                Line { name: "validation".into(), points: curve(0.05, 0.2), ..Line::default() },
            ],
            references: vec![],
        },
        ..axis
    };
    gallery("lines", &lines, Direction::LeftToRight);
}

/// The first `count` test digits of MNIST: pixels in 0..1, and what they are.
fn digits(count: usize) -> Option<(Vec<f32>, Vec<u8>)> {
    let folder = PathBuf::from(std::env::var_os("TORCHBOARD_DATA")?).join("mnist");
    let read = |name: &str, header: usize, bytes: usize| {
        let mut file = flate2::read::GzDecoder::new(std::fs::File::open(folder.join(name)).ok()?);
        let mut all = vec![0; header + bytes];
        file.read_exact(&mut all).ok()?;
        Some(all.split_off(header))
    };
    let pixels = read("t10k-images-idx3-ubyte.gz", 16, count * 784)?;
    Some((pixels.into_iter().map(|pixel| f32::from(pixel) / 255.0).collect(), read("t10k-labels-idx1-ubyte.gz", 8, count)?))
}

#[test]
fn a_map_of_digits_keeps_them_together_and_takes_in_new_ones() {
    const KNOWN: usize = 2_000;
    const NEW: usize = 200;
    let Some((pixels, labels)) = digits(KNOWN + NEW) else {
        println!("skipped: TORCHBOARD_DATA names no folder with MNIST");
        return;
    };
    let (known, new) = pixels.split_at(KNOWN * 784);
    let (known, new) = (Points::new(known, 784).unwrap(), Points::new(new, 784).unwrap());
    let mut looks = 0;
    let map = tsne(known, &TsneOptions { snapshot_every: 25, ..TsneOptions::default() }, &mut |progress| {
        looks += usize::from(progress.phase == Phase::Descent);
        ControlFlow::Continue(())
    });
    let map = map.unwrap();
    assert_eq!(looks, (map.iterations - 1) / 25, "every look but the last, which is the map itself");
    let kept = preservation(known, &map.coordinates, 10).unwrap();
    assert!(kept > 0.35, "{kept} of the neighbours are kept");

    let plane = Points::new(map.coordinates.as_flattened(), 2).unwrap();
    let told = |nearest: &torchboard::project::Neighbours, labels: &[u8], all: &[u8]| {
        let right = labels
            .iter()
            .enumerate()
            .filter(|&(query, label)| nearest.of(query).filter(|&(index, _)| all[index] == *label).count() * 2 > nearest.per_query);
        right.count() as f64 / labels.len() as f64
    };
    let of_known = told(&neighbours_within(plane, 9).unwrap(), &labels[..KNOWN], &labels);
    assert!(of_known > 0.82, "{of_known} of the digits are told by their neighbours on the map");
    let places = place(&map.coordinates, &neighbours(known, new, 15).unwrap()).unwrap();
    let places = Points::new(places.as_flattened(), 2).unwrap();
    let of_new = told(&neighbours(plane, places, 9).unwrap(), &labels[KNOWN..], &labels);
    println!("{kept:.3} of the neighbours kept; told by neighbours: {of_known:.3} of the known, {of_new:.3} of the new digits");
    assert!(of_new > of_known - 0.08, "{of_new} of the new digits land among their like");
}
