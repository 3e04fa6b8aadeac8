//! Which runs a page shows, by its address: their file can go with the page.

use crate::{store::check_id, web::parameters::Parameters};

/// What a page shows of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunsOf {
    /// These, by their ids.
    Runs(Vec<String>),
    /// The trials of the study of this id.
    Study(String),
}

/// The runs that the page at an address shows, where it is a page on given ones: on one, on several beside each other, or on a study.
pub fn runs_of(address: &str) -> Option<RunsOf> {
    let address = address.split('#').next().unwrap_or_default();
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let names: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let named = |id: &str| check_id(id).is_ok().then(|| id.to_owned());
    match names[..] {
        ["runs", run] => Some(RunsOf::Runs(vec![named(run)?])),
        ["studies", study] => named(study).map(RunsOf::Study),
        ["compare"] => {
            let mut runs: Vec<String> = Vec::new();
            for id in Parameters::parse(query).many("run", usize::MAX).ok()? {
                if !runs.iter().any(|other| other == id) {
                    runs.push(named(id)?);
                }
            }
            (!runs.is_empty()).then_some(RunsOf::Runs(runs))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_on_given_runs_are_told_from_others() {
        let runs = |ids: &[&str]| Some(RunsOf::Runs(ids.iter().map(|id| (*id).to_owned()).collect()));
        assert_eq!(runs_of("/runs/mlp-1?axis=step#curves"), runs(&["mlp-1"]));
        assert_eq!(runs_of("/studies/study-1?lang=fa"), Some(RunsOf::Study("study-1".into())));
        assert_eq!(runs_of("/compare?run=b&scale=log&run=a&run=b"), runs(&["b", "a"]));
        for page in [
            "",
            "/",
            "/runs",
            "/runs/",
            "/runs?run=a",
            "/runs/a/file",
            "/runs/../a",
            "/runs/%61",
            "//runs/a",
            "runs/a",
            "/studies",
            "/studies/",
            "/compare",
            "/compare?run=",
            "/compare?run=a&run=../b",
            "/compare/a",
            "/skin?run=a",
        ] {
            assert_eq!(runs_of(page), None, "{page}");
        }
    }
}
