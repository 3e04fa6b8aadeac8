//! `/report`: the whole course report, live: its chapters, every table and figure made again from runs that can be chosen, the report's figures beside
//! ours with the difference, and what there is to read in them.

use askama::Template;
use axum::{
    Router,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
    routing::get,
};

use super::{
    fashion,
    networks::{Measure, Measured},
    page,
    sharing::{Shown, shown, styles_of},
    skin, triplet,
    words::{self, Sentence, Voice},
};
use crate::{
    error::{AppError, AppResult},
    store::Block,
    web::{AppState, parameters::Parameters, press::Press, shell::Shell},
};

pub fn router() -> Router<AppState> {
    Router::new().route("/report", get(show))
}

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage {
    shell: Shell,
    voice: Voice,
    chapters: Vec<Chapter>,
    styles: Vec<String>,
}

/// One system.
struct Chapter {
    /// Its page, and the name of its choice in the address: `words`.
    id: &'static str,
    /// What it may be made from: id, name, whether it is.
    choices: Vec<(String, String, bool)>,
    /// The report's figures, ours, and the difference.
    measures: Vec<Measure>,
    /// What there is to read in them.
    reading: Vec<Sentence>,
    /// What is taken from its page.
    blocks: Vec<Block>,
    /// That, as it is now.
    parts: Vec<Shown>,
}

/// What each chapter takes from its system's page.
const PARTS: [(&str, &[&str]); 4] = [
    ("words", &["neighbors", "distances", "analogies", "maps"]),
    ("triplet", &["beside", "miners", "map"]),
    ("skin", &["splits", "remedies"]),
    ("fashion", &["beside", "beyond", "test"]),
];

async fn show(State(state): State<AppState>, shell: Shell, parameters: Parameters) -> AppResult<Response> {
    let mut chapters = state
        .compute(move |app| PARTS.iter().map(|(id, parts)| Chapter::new(app, id, parts, &parameters)).collect::<AppResult<Vec<_>>>())
        .await?;
    // All at once, so that names within the parts are told apart and pages are asked for at one time.
    let blocks: Vec<Block> = chapters.iter().flat_map(|chapter| chapter.blocks.iter().cloned()).collect();
    let mut parts = shown(&Press::new(&state, shell.language), &blocks).await;
    let styles = styles_of(&parts);
    let lacks = parts.iter().any(|part| matches!(part, Shown::Fault { .. }));
    for chapter in &mut chapters {
        let rest = parts.split_off(chapter.blocks.len());
        chapter.parts = std::mem::replace(&mut parts, rest);
    }
    let mut response = page(&ReportPage { voice: Voice(shell.language), shell, chapters, styles })?.into_response();
    if lacks {
        // What was busy now may be there the next time.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

impl Chapter {
    fn new(app: &AppState, id: &'static str, parts: &[&str], parameters: &Parameters) -> AppResult<Self> {
        let asked = parameters.optional(id)?.filter(|asked| !asked.is_empty());
        let (choices, chosen, measures, choice) = if id == "words" {
            let (choices, chosen, measures) = words(app, asked)?;
            (choices, chosen, measures, "set")
        } else {
            let Measured { run, choices, measures } = match id {
                "triplet" => triplet::measured(app, asked)?,
                "skin" => skin::measured(app, asked)?,
                _ => fashion::measured(app, asked)?,
            };
            let chosen = run.map(|run| run.id);
            (
                choices.into_iter().map(|run| (run.id, format!("{} (seed {})", run.name, run.seed))).collect::<Vec<_>>(),
                chosen,
                measures,
                "run",
            )
        };
        let query = chosen.as_ref().map(|chosen| form_urlencoded::Serializer::new(String::new()).append_pair(choice, chosen).finish());
        let page = query.map_or_else(|| format!("/{id}"), |query| format!("/{id}?{query}"));
        let part = |part: &&str| Block::Part { page: page.clone(), part: (*part).to_owned(), title: (*part).to_owned() };
        Ok(Self {
            id,
            choices: choices.into_iter().map(|(value, name)| (value.clone(), name, chosen.as_ref() == Some(&value))).collect(),
            reading: reading(id, &measures),
            measures,
            blocks: parts.iter().map(part).collect(),
            parts: Vec::new(),
        })
    }
}

/// Sets that may be chosen, the one that is, and its figures.
#[allow(clippy::type_complexity)] // named by what takes it apart
fn words(app: &AppState, asked: Option<&str>) -> AppResult<(Vec<(String, String)>, Option<String>, Vec<Measure>)> {
    let sets = app.library.list();
    let chosen = asked.map_or_else(|| words::default_set(&app.library), str::to_owned);
    let measures = match app.library.get(&chosen) {
        Ok(set) => words::measures(&set),
        Err(error @ AppError::NotFound { .. }) if asked.is_some() => return Err(error),
        Err(_) => Vec::new(), // none is ready yet; the parts say so
    };
    Ok((sets.into_iter().map(|set| (set.id, set.name)).collect(), Some(chosen), measures))
}

/// What there is to read in the figures: how ours stand to the report's, then what that means, by the figures themselves.
fn reading(id: &str, measures: &[Measure]) -> Vec<Sentence> {
    let known: Vec<(f64, f64)> = measures.iter().filter_map(|measure| Some((measure.report.0, measure.ours?))).collect();
    if known.is_empty() {
        return vec![Sentence::new("report-none-of-ours")];
    }
    let named = |key: &str, of: &str| {
        let found = measures.iter().find(|measure| measure.key.ends_with(key) && measure.of.as_deref().unwrap_or_default().ends_with(of));
        found.and_then(|measure| Some((measure.report.0, measure.ours?)))
    };
    let sentence = match id {
        "words" => {
            let largest = known.iter().map(|(report, ours)| (ours - report).abs()).fold(0.0, f64::max);
            // The report asks each word for a near and for a far one, in this order.
            let orders: Vec<bool> = measures.chunks(2).filter_map(|pair| Some(pair.first()?.ours? < pair.get(1)?.ours?)).collect();
            let agree = orders.iter().filter(|agrees| **agrees).count();
            let sentence = Sentence::new("report-words-reading").count("pairs", known.len()).measure("largest", largest, 2);
            Some(sentence.count("orders", orders.len()).count("agree", agree))
        }
        "triplet" => named("validation-loss", "").map(|(report, ours)| {
            let better = if ours <= report { "yes" } else { "no" };
            Sentence::new("report-triplet-reading").text("better", better).measure("report", report, 4).measure("ours", ours, 4)
        }),
        "skin" => named("-accuracy", "test").map(|(report, ours)| {
            let sentence = Sentence::new("report-skin-reading").measure("report", report, 2).measure("ours", ours, 3);
            let gap = named("-accuracy", "train").map(|(_, train)| train - ours);
            match gap {
                Some(gap) => sentence.text("gap", "known").measure("points", 100.0 * gap, 1),
                None => sentence.text("gap", "unknown").measure("points", 0.0, 1),
            }
        }),
        _ => {
            let (untuned, tuned) = (named("validation-accuracy", "untuned"), named("validation-accuracy", "-tuned"));
            untuned.zip(tuned).map(|((_, before), (report, after))| {
                Sentence::new("report-fashion-reading").measure("before", before, 4).measure("after", after, 4).measure("report", report, 4)
            })
        }
    };
    sentence.into_iter().collect()
}

impl ReportPage {
    fn say(&self, key: &str) -> String {
        self.voice.say(key)
    }

    /// What a figure is of: a text that is looked up, or words that stand for themselves.
    fn of(&self, measure: &Measure) -> String {
        match &measure.of {
            None => String::new(),
            Some(of) if of.contains(' ') => of.clone(),
            Some(key) => self.say(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(key: &'static str, of: &str, report: f64, ours: Option<f64>) -> Measure {
        Measure { key, of: Some(of.to_owned()), report: (report, 2), ours }
    }

    #[test]
    fn what_is_read_follows_from_the_figures() {
        assert_eq!(
            reading("skin", &[measure("report-measure-accuracy", "datasets-split-test", 0.6, None)]),
            [Sentence::new("report-none-of-ours")]
        );
        let split = |split: &str, ours| measure("report-measure-accuracy", &format!("datasets-split-{split}"), 0.6, ours);
        let read = reading("skin", &[split("train", Some(0.95)), split("test", Some(0.70))]);
        let expected = Sentence::new("report-skin-reading").measure("report", 0.6, 2).measure("ours", 0.70, 3);
        assert_eq!(read, [expected.text("gap", "known").measure("points", 100.0 * (0.95 - 0.70), 1)]);
        let distance = |ours| measure("report-measure-distance", "a – b", 0.5, Some(ours));
        let read = reading("words", &[distance(0.5), distance(0.25), distance(0.6), distance(0.7)]);
        let expected = Sentence::new("report-words-reading").count("pairs", 4).measure("largest", 0.25, 2);
        assert_eq!(read, [expected.count("orders", 2).count("agree", 1)]);
        let loss = |ours| reading("triplet", &[measure("report-measure-validation-loss", "", 0.5, Some(ours))]);
        assert_ne!(loss(0.4)[0].arguments[0], loss(0.6)[0].arguments[0]);
    }

    #[test]
    fn a_difference_has_a_decimal_more_than_the_report() {
        let measure = measure("report-measure-accuracy", "x", 0.6, Some(0.7156));
        assert_eq!(
            (measure.reported(), measure.computed().unwrap(), measure.difference().unwrap()),
            ("0.60".into(), "0.716".into(), "+0.116".into())
        );
    }
}
