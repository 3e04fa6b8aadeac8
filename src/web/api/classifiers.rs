//! How good a run's classifier is: figures, curves, tables, and where it could decide otherwise.

use axum::{
    Json,
    extract::{Path, State},
    http::header,
    response::IntoResponse,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    data::Split,
    error::{AppError, AppResult},
    jobs::{Asked, DEFAULT_COSTS, Decision, Judged, Lesions, OperatingPoints, Setting},
    metrics::{Costs, Curves, Predictions},
    web::{AppState, parameters::Parameters},
};

/// Every route on classifiers.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(evaluation))
        .routes(routes!(operating_points))
        .routes(routes!(precision_recall))
        .routes(routes!(roc))
        .routes(routes!(predictions))
}

/// How good the run's network is on a split. A ratio with a zero denominator is 0. The first call has the network look at every example, and
/// keeps what it said. `lesions=unseen` judges on those images alone whose lesion is on no image that the network learned from or was chosen by.
/// Decisions are for the most probable class, unless `prior` or `of` and `threshold` ask for others.
#[utoipa::path(get, path = "/api/v1/runs/{id}/evaluation", tag = "runs",
    params(("id" = String, Path, example = "mlp-k3f9x2a"), ("split" = Option<String>, Query, description = "`train`, `validation` or `test`, which is the default", example = "test"),
        ("lesions" = Option<String>, Query, description = "`all`, which is the default, or `unseen`", example = "all"),
        ("prior" = Option<String>, Query, description = "decide for the greatest ln p − a · ln prior (Menon et al. 2021): a, from 0 to 1.5, or `chosen` for the a of the greatest balanced accuracy on the validation split"),
        ("of" = Option<String>, Query, description = "a yes-or-no question of the data set, such as `melanoma` or `malignant`: decide by a threshold on the probability that its answer is yes"),
        ("threshold" = Option<String>, Query, description = "with `of`: from 0 to 1, or `chosen` (the default) for that of the least cost on the validation split"),
        ("miss" = Option<f64>, Query, description = "what a miss costs; 10 unless told otherwise"), ("false_alarm" = Option<f64>, Query, description = "what a false alarm costs; 1 unless told otherwise")),
    responses((status = 200, body = Judged), (status = 404, description = "No such run, or no such split of its data"), (status = 409, description = "The run is not done"),
        (status = 422, description = "A parameter can't be used: it is not known which images show one lesion, say, or the data set has no such question"),
        (status = 503, description = "The data set is not here; `detail` says what brings it")))]
async fn evaluation(State(state): State<AppState>, Path(id): Path<String>, parameters: Parameters) -> AppResult<Json<Judged>> {
    let asked = asked_of(&parameters)?;
    state.compute(move |state| Ok(Json(state.judge.answer(&id, &asked)?))).await
}

/// What comes of answering a yes-or-no question, such as whether it is melanoma, from each probability on: recall, specificity, precision, false
/// alarms among a hundred images, cost. And of deciding between classes by the prior, for each exponent. What is chosen is chosen on the
/// validation split.
#[utoipa::path(get, path = "/api/v1/runs/{id}/operating-points", tag = "runs",
    params(("id" = String, Path, example = "resnet14-k3f9x2a"), ("split" = Option<String>, Query, example = "test"), ("lesions" = Option<String>, Query, example = "all"),
        ("of" = Option<String>, Query, description = "a question of the data set; its first one unless told otherwise", example = "melanoma"),
        ("threshold" = Option<f64>, Query, description = "one more threshold to count at, from 0 to 1", example = 0.2),
        ("miss" = Option<f64>, Query, description = "what a miss costs; 10 unless told otherwise", example = 10), ("false_alarm" = Option<f64>, Query, description = "what a false alarm costs; 1 unless told otherwise", example = 1)),
    responses((status = 200, body = OperatingPoints), (status = 404, description = "No such run, or no such split of its data"), (status = 409, description = "The run is not done"),
        (status = 422, description = "A parameter can't be used, or the data set has no such question"), (status = 503, description = "The data set is not here; `detail` says what brings it")))]
async fn operating_points(
    State(state): State<AppState>,
    Path(id): Path<String>,
    parameters: Parameters,
) -> AppResult<Json<OperatingPoints>> {
    let asked = Asked { lesions: lesions_of(&parameters)?, ..Asked::of(split_of(&parameters)?) };
    let (costs, at) = (costs_of(&parameters)?, decimal(&parameters, "threshold", 1.0)?);
    let of = parameters.optional("of")?.map(str::to_owned);
    state
        .compute(move |state| {
            let of = match of {
                Some(of) => of,
                None => state.judge.first_question(&id)?.to_owned(),
            };
            Ok(Json(state.judge.operating_points(&id, &asked, &of, costs, at)?))
        })
        .await
}

/// Precision-recall curves, each class against the rest, and their micro and macro averages, point by point as scikit-learn gives them: x is the
/// recall, which falls from 1; y the precision.
#[utoipa::path(get, path = "/api/v1/runs/{id}/curves/pr", tag = "runs",
    params(("id" = String, Path, example = "mlp-k3f9x2a"), ("split" = Option<String>, Query, example = "test"), ("lesions" = Option<String>, Query, description = "`all`, which is the default, or `unseen`"),
        ("tolerance" = Option<f64>, Query, description = "leaves out points that lie within this distance of the line through those that stay; 0, the default, leaves out none", example = 0.001)),
    responses((status = 200, body = Curves), (status = 404, description = "No such run, or no such split of its data"), (status = 409, description = "The run is not done"), (status = 422, description = "A parameter can't be used")))]
async fn precision_recall(state: State<AppState>, id: Path<String>, parameters: Parameters) -> AppResult<Json<Curves>> {
    curves(state, id, parameters, Curves::precision_recall).await
}

/// ROC curves, each class against the rest, and their micro and macro averages, point by point as scikit-learn gives them: x is the false positive
/// rate, y the true positive rate. The threshold of the first point is null: more than any probability.
#[utoipa::path(get, path = "/api/v1/runs/{id}/curves/roc", tag = "runs",
    params(("id" = String, Path, example = "mlp-k3f9x2a"), ("split" = Option<String>, Query, example = "test"), ("lesions" = Option<String>, Query, description = "`all`, which is the default, or `unseen`"),
        ("tolerance" = Option<f64>, Query, description = "as for precision-recall curves", example = 0.001)),
    responses((status = 200, body = Curves), (status = 404, description = "No such run, or no such split of its data"), (status = 409, description = "The run is not done"), (status = 422, description = "A parameter can't be used")))]
async fn roc(state: State<AppState>, id: Path<String>, parameters: Parameters) -> AppResult<Json<Curves>> {
    curves(state, id, parameters, Curves::roc).await
}

async fn curves(
    State(state): State<AppState>,
    Path(id): Path<String>,
    parameters: Parameters,
    of: fn(&[String], &Predictions) -> Curves,
) -> AppResult<Json<Curves>> {
    let asked = Asked { lesions: lesions_of(&parameters)?, ..Asked::of(split_of(&parameters)?) };
    let tolerance = decimal(&parameters, "tolerance", 0.1)?.unwrap_or_default();
    state
        .compute(move |state| {
            let judgement = state.judge.judge_as(&id, &asked)?;
            let curves = of(&judgement.dataset.classes, &judgement.predictions);
            Ok(Json(if tolerance > 0.0 { curves.thinned(tolerance) } else { curves }))
        })
        .await
}

/// What the run's network said of each example, in the data set's order.
#[utoipa::path(get, path = "/api/v1/runs/{id}/predictions.csv", tag = "runs",
    params(("id" = String, Path, example = "mlp-k3f9x2a"), ("split" = Option<String>, Query, example = "test"), ("lesions" = Option<String>, Query, description = "`all`, which is the default, or `unseen`")),
    responses((status = 200, body = String, content_type = "text/csv", description = "`index,label,prediction,p0,...,pK`"),
        (status = 404, description = "No such run, or no such split of its data"), (status = 409, description = "The run is not done"), (status = 422, description = "A parameter can't be used")))]
async fn predictions(State(state): State<AppState>, Path(id): Path<String>, parameters: Parameters) -> AppResult<impl IntoResponse> {
    let asked = Asked { lesions: lesions_of(&parameters)?, ..Asked::of(split_of(&parameters)?) };
    let unseen = if asked.lesions == Lesions::Unseen { "-unseen" } else { "" };
    let disposition = format!("attachment; filename=\"{id}-{}{unseen}.csv\"", asked.split.name());
    let table = move |state: &AppState| {
        let judgement = state.judge.judge_as(&id, &asked)?;
        Ok(judgement.predictions.to_csv(judgement.places.as_deref()))
    };
    let csv = state.compute(table).await?;
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, disposition)], csv))
}

/// What `split`, `lesions`, `prior`, `of`, `threshold`, `miss` and `false_alarm` ask for.
///
/// # Errors
/// [`AppError::Invalid`], naming the parameter.
pub fn asked_of(parameters: &Parameters) -> AppResult<Asked> {
    let (prior, question) = (setting(parameters, "prior", 1.5)?, parameters.optional("of")?);
    let threshold = setting(parameters, "threshold", 1.0)?;
    let costs = costs_of(parameters)?; // what makes no sense is told, whether it counts here or not
    let decision = match (prior, question) {
        (Some(_), Some(_)) => return Err(AppError::invalid("of", "can't go with `prior`: an image is decided one way.")),
        (None, None) if threshold.is_some() => {
            return Err(AppError::invalid("of", "is missing; expected the question that `threshold` answers."));
        }
        (None, None) => Decision::MostProbable,
        (Some(setting), None) => Decision::Prior(setting),
        (None, Some(question)) => {
            Decision::Threshold { question: question.to_owned(), setting: threshold.unwrap_or(Setting::Chosen), costs }
        }
    };
    Ok(Asked { split: split_of(parameters)?, lesions: lesions_of(parameters)?, decision })
}

/// The split that is asked for; the test split where nothing is.
///
/// # Errors
/// [`AppError::Invalid`] when there is no such split.
pub fn split_of(parameters: &Parameters) -> AppResult<Split> {
    let name = parameters.text("split", "test")?;
    Split::named(name).ok_or_else(|| AppError::invalid("split", format!("is {name:?}; expected train, validation or test.")))
}

/// Which images of the split are asked for; all where nothing is.
///
/// # Errors
/// [`AppError::Invalid`] when it is neither `all` nor `unseen`.
pub fn lesions_of(parameters: &Parameters) -> AppResult<Lesions> {
    let name = parameters.text("lesions", "all")?;
    Lesions::named(name).ok_or_else(|| AppError::invalid("lesions", format!("is {name:?}; expected all or unseen.")))
}

/// What mistakes cost.
///
/// # Errors
/// [`AppError::Invalid`] when one is no number from 0 to a million.
pub fn costs_of(parameters: &Parameters) -> AppResult<Costs> {
    let cost = |name, default| Ok::<f64, AppError>(decimal(parameters, name, 1e6)?.unwrap_or(default));
    Ok(Costs { miss: cost("miss", DEFAULT_COSTS.miss)?, false_alarm: cost("false_alarm", DEFAULT_COSTS.false_alarm)? })
}

/// A number from 0 to `most`, or `chosen`.
fn setting(parameters: &Parameters, name: &str, most: f64) -> AppResult<Option<Setting>> {
    if parameters.optional(name)? == Some("chosen") {
        return Ok(Some(Setting::Chosen));
    }
    Ok(decimal(parameters, name, most)?.map(Setting::Given))
}

/// A number from 0 to `most`.
fn decimal(parameters: &Parameters, name: &str, most: f64) -> AppResult<Option<f64>> {
    let Some(text) = parameters.optional(name)? else { return Ok(None) };
    let number = text.trim().parse::<f64>().ok().filter(|number| (0.0..=most).contains(number));
    number.map(Some).ok_or_else(|| AppError::invalid(name, format!("is {text:?}; expected a number from 0 to {most}.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_how_to_decide_and_nothing_else_will_do() {
        let asked = |query: &str| asked_of(&Parameters::parse(query));
        assert_eq!(asked("").unwrap(), Asked::of(Split::Test));
        let found = asked("split=validation&lesions=unseen&prior=0.9").unwrap();
        let expected = Asked { split: Split::Validation, lesions: Lesions::Unseen, decision: Decision::Prior(Setting::Given(0.9)) };
        assert_eq!(found, expected);
        assert_eq!(asked("prior=chosen").unwrap().decision, Decision::Prior(Setting::Chosen));
        let threshold = |setting, costs| Decision::Threshold { question: "melanoma".into(), setting, costs };
        assert_eq!(asked("of=melanoma").unwrap().decision, threshold(Setting::Chosen, DEFAULT_COSTS));
        let costs = Costs { miss: 20.0, false_alarm: 0.5 };
        assert_eq!(asked("of=melanoma&threshold=0.25&miss=20&false_alarm=.5").unwrap().decision, threshold(Setting::Given(0.25), costs));
        for (query, field) in [
            ("split=all", "split"),
            ("lesions=some", "lesions"),
            ("prior=2", "prior"),
            ("prior=nan", "prior"),
            ("threshold=0.5", "of"),
            ("of=melanoma&prior=1", "of"),
            ("of=melanoma&threshold=-1", "threshold"),
            ("of=melanoma&miss=inf", "miss"),
        ] {
            let fault = asked(query).err();
            assert!(matches!(&fault, Some(AppError::Invalid { field: named, .. }) if named == field), "{query}: {fault:?}");
        }
    }
}
