//! The JSON API under `/api/v1`, and the service's own addresses. Every route is in the `OpenAPI` document.

mod attention;
mod bias;
mod classifiers;
mod datasets;
pub mod embeddings;
mod evaluation;
mod examples;
mod predict;
mod projection;
mod run_outputs;
pub mod runs;
mod service;
pub mod studies;
mod words;

use std::sync::Arc;

use axum::{Extension, Router};
use serde::Serialize;
use utoipa::{
    OpenApi as _, ToSchema,
    openapi::{
        Content, OpenApi, Ref, RefOr, Response,
        path::{Operation, PathItem},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{AppState, faces::Problem};

/// What the document says of the API as a whole.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Torchboard",
        description = "JSON, snake_case. Errors are problem details (RFC 9457) with `type`, `title`, `status`, `detail` and, for bad input, `field`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "service", description = "The server itself"),
        (name = "words", description = "Word vectors. `{set}` is an id from the list; `default` is always one."),
        (name = "datasets", description = "Labelled images: where they are, fetching them, looking at them."),
        (name = "runs", description = "Trainings: asking for them, following them, comparing them."),
        (name = "studies", description = "Searches for good settings; each trial is a run.")
    ),
    components(schemas(Problem))
)]
struct Document;

/// A list and where its next page begins.
#[derive(Serialize, ToSchema)]
struct Listed<T> {
    items: Vec<T>,
    /// `null` at the end.
    next_cursor: Option<String>,
}

/// The routes, and the document that describes them: for people, who are told once what any address may answer.
pub fn router() -> (Router<AppState>, OpenApi) {
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(service::health))
        .routes(routes!(service::metrics))
        .routes(routes!(service::openapi))
        .merge(words::router())
        .routes(routes!(projection::projection))
        .routes(routes!(evaluation::evaluation))
        .routes(routes!(bias::association))
        .routes(routes!(bias::axis))
        .merge(datasets::router())
        .merge(runs::router())
        .merge(run_outputs::router())
        .merge(studies::router())
        .merge(classifiers::router())
        .merge(predict::router())
        .merge(examples::router())
        .merge(attention::router())
        .merge(embeddings::router())
        .split_for_parts();
    (router.layer(Extension(Arc::new(with_problems(document.clone())))), document)
}

/// The document for programs: every answer that is no good one has its shape, and each operation tells that there are others than its own (a body
/// that is no JSON, nobody signed in, too many requests).
fn with_problems(mut document: OpenApi) -> OpenApi {
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        let responses = &mut operation.responses.responses;
        responses.entry("default".to_owned()).or_insert_with(|| RefOr::T(Response::new("Any other problem")));
        for (status, response) in responses {
            let is_problem = status == "default" || status.starts_with(['4', '5']);
            if let RefOr::T(response) = response
                && is_problem
            {
                let shape = Content::new(Some(Ref::from_schema_name("Problem")));
                response.content.insert("application/problem+json".to_owned(), RefOr::T(shape));
            }
        }
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_document_gives_every_problem_its_shape_and_no_name_to_two_things() {
        let (_, for_people) = router();
        let document = serde_json::to_value(with_problems(for_people)).unwrap();
        let mut count = 0;
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let responses = operation["responses"].as_object().unwrap();
                assert!(responses.contains_key("default"), "{method} {path}");
                for (status, response) in responses.iter().filter(|(status, _)| !status.starts_with(['2', '3'])) {
                    let shape = &response["content"]["application/problem+json"]["schema"]["$ref"];
                    assert_eq!(shape, "#/components/schemas/Problem", "{method} {path} {status}");
                    count += 1;
                }
            }
        }
        assert!(count > 100, "{count}");
        let schemas = &document["components"]["schemas"];
        let has = |name: &str, field: &str| schemas[name]["properties"][field].is_object();
        assert!(has("Problem", "detail") && has("Progress", "steps") && has("FetchProgress", "total"));
        assert!(
            has("Neighbors", "word") && has("NearestImages", "label") && has("AnalogyEvaluation", "sections") && has("Evaluation", "auc")
        );
        let states = |name: &str| schemas[name]["enum"].as_array().cloned().unwrap_or_default();
        assert!(states("State").contains(&json!("done")) && states("DatasetState").contains(&json!("absent")));
        let default: &Value = &schemas["FieldInfo"]["properties"]["default"];
        assert_eq!(default["type"], Value::Null, "a default may be anything");
    }
}
