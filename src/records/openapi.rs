//! The OpenAPI operations of one kind of record, made once for all kinds.

use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ContentBuilder, HttpMethod, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
        link::Link,
        path::{OperationBuilder, ParameterBuilder, ParameterIn, PathItem},
        request_body::{RequestBody, RequestBodyBuilder},
        schema::{AllOfBuilder, ArrayBuilder, ObjectBuilder, SchemaType, Type},
        security::SecurityRequirement,
    },
};

use super::{
    request::{EnvelopeRequest, Submittable},
    routes::{HistoryEntry, ReviewRequest, WithdrawRequest},
    view::RecordView,
};
use crate::ledger::Receipt;

/// The filters of lists, with their descriptions.
const FILTERS: &[(&str, &str)] = &[
    ("election", "slug of an election"),
    ("region", "ISO 3166-2:KZ codes, in force or former, comma-separated"),
    ("city", "ids or names of cities, comma-separated"),
    ("polling_station", "number of a polling station"),
    ("from", "first local date (YYYY-MM-DD)"),
    ("to", "last local date (YYYY-MM-DD)"),
    ("status", "comma-separated"),
    ("category", "comma-separated"),
    ("severity", "comma-separated"),
    ("reporter", "id of an account"),
    ("q", "words of the description, in any of the three languages; each may go on"),
    ("limit", "1 to 200 (50)"),
    ("cursor", "where the page before ended"),
    ("sort", "occurred_at or received_at; a minus first turns it round (-occurred_at)"),
];

/// Adds the paths and schemas of the kind `D` to the document.
pub fn describe<D: Submittable>(api: &mut OpenApi)
where
    D::View: 'static,
{
    let name = D::KIND.to_string();
    let components = api.components.get_or_insert_default();
    let mut referenced = Vec::new();
    <EnvelopeRequest as ToSchema>::schemas(&mut referenced);
    <D::Request as ToSchema>::schemas(&mut referenced);
    <RecordView<D::View> as ToSchema>::schemas(&mut referenced);
    <D::View as ToSchema>::schemas(&mut referenced);
    <HistoryEntry as ToSchema>::schemas(&mut referenced);
    components.schemas.extend(referenced);

    let view = format!("{name}_record");
    let request = format!("{name}_submission");
    let both = AllOfBuilder::new().item(EnvelopeRequest::schema()).item(D::Request::schema());
    components.schemas.insert(request.clone(), Schema::AllOf(both.build()).into());
    components.schemas.insert(view.clone(), RecordView::<D::View>::schema());
    components.schemas.insert(D::View::name().into_owned(), D::View::schema());
    let page = ObjectBuilder::new()
        .property("items", ArrayBuilder::new().items(Ref::from_schema_name(&view)))
        .property("next", ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null])))
        .required("items");
    components.schemas.insert(format!("{name}_page"), Schema::Object(page.build()).into());
    let similar = ObjectBuilder::new()
        .property("likeness", ObjectBuilder::new().schema_type(Type::Number))
        .property("record", Ref::from_schema_name(&view));
    components.schemas.insert(format!("{name}_similar"), Schema::Object(similar.build()).into());
    components.schemas.insert("ReviewRequest".into(), ReviewRequest::schema());
    components.schemas.insert("WithdrawRequest".into(), WithdrawRequest::schema());
    components.schemas.insert("Receipt".into(), Receipt::schema());
    let mut parts = Vec::new();
    <Receipt as ToSchema>::schemas(&mut parts);
    components.schemas.extend(parts);
    components.schemas.insert("HistoryEntry".into(), HistoryEntry::schema());

    let of = |name: &str| RefOr::Ref(Ref::from_schema_name(name));
    let one = |text: &str| response(text, Some(of(&view)));
    let base = format!("/api/v1/{}", D::PATH);
    let kind = D::KIND;

    let mut list = operation(&format!("Lists {} within the caller's reach.", D::PATH));
    for (name, description) in FILTERS {
        list = list.parameter(
            ParameterBuilder::new()
                .name(*name)
                .parameter_in(ParameterIn::Query)
                .required(Required::False)
                .description(Some(*description))
                .schema(Some(text())),
        );
    }
    let list = list.response("200", response("A page", Some(of(&format!("{name}_page"))))).build();
    let create = operation(&format!(
        "Stores a {kind}. Sending the same again answers 200 and stores nothing; the same id with other content is 409."
    ))
    .parameter(header("Idempotency-Key", "makes a submission without an id repeatable"))
    .request_body(Some(body_like(of(&request), serde_json::from_str(D::EXAMPLE).ok())))
    .response("201", linked::<D>(one("Stored")))
    .response("200", linked::<D>(one("Stored before")))
    .response("409", problem("The id stands for other content"))
    .response("422", problem("Every fault of the body"))
    .build();
    let get = with_id(operation(&format!("One {kind}.")))
        .response("200", one("As it stands"))
        .response("304", response("As the client has it", None))
        .response("404", problem("Not there, or out of reach"))
        .build();
    let edit = with_id(operation("Changes fields (JSON merge patch) while the record is not reviewed."))
        .parameter(header("If-Match", "the ETag of the version that is changed"))
        .request_body(Some(body(of(&request))))
        .response("200", one("Changed"))
        .response("409", problem("Reviewed already"))
        .response("412", problem("Changed in between"))
        .response("428", problem("If-Match is missing"))
        .build();
    let review = with_id(operation("Reviews a record; for coordinators of its region."))
        .parameter(header("If-Match", "may be left out"))
        .request_body(Some(body(of("ReviewRequest"))))
        .response("200", one("Reviewed"))
        .build();
    let withdraw = with_id(operation("Withdraws a record that is not reviewed; it stays in the history."))
        .request_body(Some(body(of("WithdrawRequest"))))
        .response("200", one("Withdrawn"))
        .build();
    let array = |name: &str| RefOr::T(Schema::Array(ArrayBuilder::new().items(of(name)).build()));
    let history = with_id(operation("Every version and every review, first to last."))
        .response("200", response("The history", Some(array("HistoryEntry"))))
        .build();
    let similar = with_id(operation("Possible duplicates: same place, near in time, alike in text."))
        .response("200", response("The likest first", Some(array(&format!("{name}_similar")))))
        .build();

    let receipt = with_id(operation("The receipt of a version, with its proof in the ledger's tree."))
        .parameter(
            ParameterBuilder::new()
                .name("version")
                .parameter_in(ParameterIn::Query)
                .required(Required::False)
                .description(Some("the present one unless told"))
                .schema(Some(text())),
        )
        .response("200", response("The receipt; `inclusion` is absent for some moments", Some(of("Receipt"))))
        .build();

    for (rest, method, mut operation) in [
        ("", HttpMethod::Get, list),
        ("", HttpMethod::Post, create),
        ("/{id}", HttpMethod::Get, get),
        ("/{id}", HttpMethod::Patch, edit),
        ("/{id}/review", HttpMethod::Post, review),
        ("/{id}/withdraw", HttpMethod::Post, withdraw),
        ("/{id}/history", HttpMethod::Get, history),
        ("/{id}/receipt", HttpMethod::Get, receipt),
        ("/{id}/similar", HttpMethod::Get, similar),
    ] {
        operation.tags = Some(vec![D::PATH.to_owned()]);
        let item = PathItem::new(method, operation);
        api.paths.paths.entry(format!("{base}{rest}")).or_default().merge_operations(item);
    }
}

fn operation(summary: &str) -> OperationBuilder {
    let bearer = SecurityRequirement::new("token", Vec::<String>::new());
    OperationBuilder::new().summary(Some(summary)).security(bearer).response("401", problem("Not signed in"))
}

fn with_id(operation: OperationBuilder) -> OperationBuilder {
    let id = ParameterBuilder::new()
        .name("id")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(text()));
    operation.parameter(id)
}

fn text() -> RefOr<Schema> {
    RefOr::T(Schema::Object(ObjectBuilder::new().schema_type(Type::String).build()))
}

fn header(name: &str, description: &str) -> ParameterBuilder {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(text()))
}

fn body(schema: RefOr<Schema>) -> RequestBody {
    body_like(schema, None)
}

fn body_like(schema: RefOr<Schema>, example: Option<Value>) -> RequestBody {
    let content = ContentBuilder::new().schema(Some(schema)).example(example).build();
    RequestBodyBuilder::new().content("application/json", content).build()
}

/// What can be done with the record in an answer, by its id.
fn linked<D: Submittable>(mut answer: Response) -> Response {
    for (name, rest, method) in [
        ("read", "", "get"),
        ("edit", "", "patch"),
        ("history", "~1history", "get"),
        ("receipt", "~1receipt", "get"),
        ("similar", "~1similar", "get"),
        ("review", "~1review", "post"),
        ("withdraw", "~1withdraw", "post"),
    ] {
        let operation = format!("#/paths/~1api~1v1~1{}~1{{id}}{rest}/{method}", D::PATH);
        let link = Link::builder().operation_ref(operation).parameter("id", "$response.body#/id").build();
        answer.links.insert(name.to_owned(), link.into());
    }
    answer
}

fn response(description: &str, schema: Option<RefOr<Schema>>) -> Response {
    let builder = ResponseBuilder::new().description(description);
    match schema {
        Some(schema) => {
            builder.content("application/json", ContentBuilder::new().schema(Some(schema)).build()).build()
        }
        None => builder.build(),
    }
}

fn problem(description: &str) -> Response {
    let schema = RefOr::Ref(Ref::from_schema_name("Problem"));
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(description).content("application/problem+json", content).build()
}
