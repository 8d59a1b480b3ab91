//! `POST /plan`: see what would be rendered.

use axum::{Json as Answer, extract::State};

use super::{
    Service,
    error::{ApiError, documented},
    extract::Json,
};
use crate::{
    plan::plan,
    request::Request,
    wire::{CompositionPlan, GenerationRequest},
};

/// Plan a piece without rendering it.
///
/// The same request (seed included) gives the same plan. The answer, edited or not, is accepted as `plan` of a request.
#[utoipa::path(
    post,
    path = "/plan",
    tag = "pieces",
    request_body = GenerationRequest,
    responses((status = 200, description = "The plan.", body = CompositionPlan), documented::Body)
)]
pub(super) async fn make_plan(
    State(service): State<Service>,
    Json(wire): Json<GenerationRequest>,
) -> Result<Answer<CompositionPlan>, ApiError> {
    service
        .blocking(move |parts| {
            let request = Request::new(wire, &parts.defaults)?;
            // One that no engine renders here is planned all the same.
            let settled = parts.engines.choose(&request).map(|chosen| chosen.settle(&request));
            Ok(Answer(plan(&settled.unwrap_or(request))?.to_wire()))
        })
        .await
}
