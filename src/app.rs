//! Puts the HTTP application together; the only list of routes.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::{ResourceDef, ServerHandle},
    get,
    http::header,
    middleware::{DefaultHeaders, from_fn},
    web::{self, Data, ServiceConfig},
};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        ContentBuilder, Ref, ResponseBuilder,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_swagger_ui::SwaggerUi;

use crate::{
    accounts::{self, Accounts, tokens::TokenKey},
    aggregates,
    config::Service,
    counting,
    db::{
        Pool,
        replicas::{ReadPools, Replicas},
    },
    detentions::{self, domain::Detention},
    documents, enquiries,
    evidence::{self, objects::Objects, uploads::Uploads},
    exports,
    forensics::{self, runner::Runner},
    http::{
        admission::{self, Admission},
        health::{self, Leaving},
        kept::Kept,
        limits,
        limits::Limits,
        middleware,
        problem::ProblemBody,
        reads,
    },
    ledger::{self, Ledger, growth, sequencer},
    pages,
    places::{self, directory::Places},
    protocols::{self, domain::Protocol},
    records::{
        self,
        intake::{self, Intake},
    },
    report, results,
    sealing::{self, IndexKey, Sealer},
    submissions,
    violations::domain::Violation,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "baqylau",
        description = "Election-observation incident tracker: violations, protocols (tally sheets) and detentions.",
    ),
    modifiers(&BearerTokens),
    components(schemas(ProblemBody)),
    paths(
        accounts::routes::login, accounts::routes::refresh, accounts::routes::logout, accounts::routes::me,
        accounts::routes::change_password, accounts::routes::list_users, accounts::routes::add_user,
        accounts::routes::disable, accounts::routes::enable,
        accounts::safety::begin_factor, accounts::safety::confirm_factor, accounts::safety::remove_factor,
        accounts::safety::sessions, accounts::safety::revoke_session, accounts::safety::panic,
        accounts::safety::panic_by_password, accounts::safety::panic_for, accounts::safety::reset_factor,
        accounts::invitation_routes::accept, accounts::invitation_routes::invite, accounts::invitation_routes::list,
        accounts::invitation_routes::revoke,
        places::routes::elections, places::routes::add_candidate, places::routes::regions, places::routes::cities,
        places::routes::polling_stations,
        submissions::submit,
        documents::routes::sources, documents::routes::add_source, documents::routes::claims,
        documents::routes::add_claim, documents::routes::events, documents::routes::add_event,
        aggregates::routes::aggregates, aggregates::routes::public_aggregates,
        exports::routes::export,
        documents::compare::compare,
        detentions::custody_routes::course, detentions::custody_routes::record_step,
        enquiries::routes::ask, enquiries::routes::lookup, enquiries::routes::list, enquiries::routes::one,
        enquiries::routes::sealed_person, enquiries::routes::give_answer,
        detentions::routes::search_person, detentions::routes::sealed_person, detentions::routes::reseal,
        detentions::routes::sealed_persons,
        sealing::routes::recipients, sealing::routes::add_recipient, sealing::routes::retire_recipient,
        sealing::routes::reads,
        counting::routes::samples, counting::routes::stations, counting::routes::estimates,
        forensics::routes::published, forensics::routes::published_plot, forensics::routes::sheets,
        forensics::routes::sheets_plot, report::routes::report,
        results::routes::tables, results::routes::station, results::routes::changed, results::routes::moved,
        results::routes::sums, results::routes::coverage,
        protocols::reading_routes::read, protocols::reading_routes::state,
        evidence::upload_routes::options, evidence::upload_routes::create, evidence::upload_routes::head,
        evidence::upload_routes::append, evidence::upload_routes::terminate,
        evidence::routes::list, evidence::routes::one, evidence::routes::receipt, evidence::routes::original,
        evidence::routes::copy,
        ledger::routes::key, ledger::routes::checkpoint, ledger::growth::growth, ledger::routes::tile, ledger::routes::consistency,
        openapi_json, health::healthz, health::readyz, health::metrics,
    ),
)]
struct Document;

struct BearerTokens;

impl Modify for BearerTokens {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = api.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// Whatever is not an answer of its own is a problem (RFC 9457): of each operation, and so told once.
fn describe_problems(api: &mut utoipa::openapi::OpenApi) {
    let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let problem = ResponseBuilder::new()
        .description("A problem (RFC 9457), in the language of Accept-Language")
        .content("application/problem+json", problem)
        .build();
    for item in api.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
            &mut item.patch,
            &mut item.head,
            &mut item.options,
        ];
        for operation in operations.into_iter().flatten() {
            operation.responses.responses.insert("default".to_owned(), problem.clone().into());
        }
    }
}

/// The OpenAPI 3.1 document of the service.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut api = Document::openapi();
    records::openapi::describe::<Violation>(&mut api);
    records::openapi::describe::<Protocol>(&mut api);
    records::openapi::describe::<Detention>(&mut api);
    describe_problems(&mut api);
    api
}

/// This document.
#[utoipa::path(tag = "operations", path = "/api/v1/openapi.json", responses((status = 200, description = "OpenAPI 3.1")))]
#[get("/openapi.json")]
async fn openapi_json(document: Data<utoipa::openapi::OpenApi>) -> HttpResponse {
    HttpResponse::Ok().json(document)
}

/// All routes.
fn routes(config: &mut ServiceConfig) {
    config
        .service(health::healthz)
        .service(health::readyz)
        .service(health::metrics)
        .service(web::redirect("/api/docs", "/api/docs/"))
        .service(
            web::scope("/api/docs")
                .wrap(DefaultHeaders::new().add((
                    "Content-Security-Policy",
                    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                     img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'",
                )))
                .service(
                    SwaggerUi::new("/{_:.*}").config(
                        utoipa_swagger_ui::Config::new(["/api/v1/openapi.json"]).validator_url("none"),
                    ),
                ),
        )
        .service(
            web::scope("/api/v1")
                // What is asked for the most comes first: paths are tried one after the other.
                .configure(records::routes::configure::<Violation>)
                .configure(records::routes::configure::<Protocol>)
                .service(submissions::submit)
                .service(aggregates::routes::aggregates)
                .service(aggregates::routes::public_aggregates)
                .service(openapi_json)
                .service(accounts::routes::login)
                .service(accounts::routes::refresh)
                .service(accounts::routes::logout)
                .service(accounts::routes::me)
                .service(accounts::routes::change_password)
                .service(accounts::routes::list_users)
                .service(accounts::routes::add_user)
                .service(accounts::routes::disable)
                .service(accounts::routes::enable)
                .service(accounts::safety::begin_factor)
                .service(accounts::safety::confirm_factor)
                .service(accounts::safety::remove_factor)
                .service(accounts::safety::sessions)
                .service(accounts::safety::revoke_session)
                .service(accounts::safety::panic)
                .service(accounts::safety::panic_by_password)
                .service(accounts::safety::panic_for)
                .service(accounts::safety::reset_factor)
                .service(accounts::invitation_routes::accept)
                .service(accounts::invitation_routes::invite)
                .service(accounts::invitation_routes::list)
                .service(accounts::invitation_routes::revoke)
                .service(places::routes::elections)
                .service(places::routes::add_candidate)
                .service(places::routes::regions)
                .service(places::routes::cities)
                .service(places::routes::polling_stations)
                .service(documents::compare::compare)
                .service(detentions::custody_routes::course)
                .service(detentions::custody_routes::record_step)
                .service(enquiries::routes::ask)
                .service(enquiries::routes::lookup)
                .service(enquiries::routes::list)
                .service(enquiries::routes::one)
                .service(enquiries::routes::sealed_person)
                .service(enquiries::routes::give_answer)
                .service(detentions::routes::search_person)
                .service(detentions::routes::sealed_person)
                .service(detentions::routes::reseal)
                .service(detentions::routes::sealed_persons)
                .service(sealing::routes::recipients)
                .service(sealing::routes::add_recipient)
                .service(sealing::routes::retire_recipient)
                .service(sealing::routes::reads)
                .configure(records::routes::configure::<Detention>)
                .service(documents::routes::sources)
                .service(documents::routes::add_source)
                .service(documents::routes::claims)
                .service(documents::routes::add_claim)
                .service(documents::routes::events)
                .service(documents::routes::add_event)
                .service(exports::routes::export)
                .service(counting::routes::samples)
                .service(counting::routes::stations)
                .service(counting::routes::estimates)
                .service(forensics::routes::published)
                .service(forensics::routes::published_plot)
                .service(forensics::routes::sheets)
                .service(forensics::routes::sheets_plot)
                .service(report::routes::report)
                .service(results::routes::tables)
                .service(results::routes::station)
                .service(results::routes::changed)
                .service(results::routes::moved)
                .service(results::routes::sums)
                .service(results::routes::coverage)
                .service(protocols::reading_routes::read)
                .service(protocols::reading_routes::state)
                .configure(evidence::upload_routes::configure)
                .service(evidence::routes::list)
                .service(evidence::routes::one)
                .service(evidence::routes::receipt)
                .service(evidence::routes::original)
                .service(evidence::routes::copy)
                .service(ledger::routes::key)
                .service(ledger::routes::checkpoint)
                .service(ledger::growth::growth)
                .service(ledger::routes::tile)
                .service(ledger::routes::consistency),
        );
}

/// No route of the API: a page, or 405 where the path is known under other methods, else 404.
async fn nowhere(request: HttpRequest, document: Data<utoipa::openapi::OpenApi>) -> HttpResponse {
    if let Some(page) = pages::answer(&request) {
        return page;
    }
    let known = document
        .paths
        .paths
        .iter()
        .find(|(path, _)| ResourceDef::new(path.as_str()).is_match(request.path()));
    let Some((_, item)) = known else { return HttpResponse::NotFound().finish() };
    let methods = [
        ("GET", &item.get),
        ("POST", &item.post),
        ("PATCH", &item.patch),
        ("PUT", &item.put),
        ("DELETE", &item.delete),
        ("HEAD", &item.head),
        ("OPTIONS", &item.options),
    ];
    let allowed: Vec<_> =
        methods.iter().filter(|(_, operation)| operation.is_some()).map(|(name, _)| *name).collect();
    HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, allowed.join(", "))).finish()
}

/// A running service.
pub struct Running {
    pub address: SocketAddr,
    pub pool: Pool,
    leaving: Data<Leaving>,
    handle: ServerHandle,
    server: Option<tokio::task::JoinHandle<std::io::Result<()>>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    /// Whoever listens to the ledger's growth would keep the service from ending.
    growth: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Says that it is not ready any more, and goes on answering: a balancer needs a moment to notice.
    pub fn leave(&self) {
        self.leaving.begin();
    }

    /// Lets requests in flight finish, then ends.
    pub async fn stop(mut self) {
        self.growth.abort();
        self.handle.stop(true).await;
        if let Some(server) = self.server.take() {
            let _ = server.await;
        }
    }
}

/// A service that nobody holds any more ends, and gives its connections back.
impl Drop for Running {
    fn drop(&mut self) {
        // The command is sent at once; the future would only tell when it is done.
        drop(self.handle.stop(false));
        self.growth.abort();
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// Starts the service on a database that is up to date.
///
/// # Errors
/// When the address is taken or the database is not there.
pub async fn start(
    settings: &Service,
    pool: Pool,
    key: TokenKey,
    ledger: Ledger,
    index: Option<IndexKey>,
    objects: Objects,
) -> anyhow::Result<Running> {
    health::recorder();
    let places = Data::new(Places::load(pool.clone()).await?);
    let limits = Data::new(Limits::new(settings.rate_limit, settings.login_limit, settings.trust_proxy));
    let key = Data::new(key);
    let ledger = Data::new(ledger);
    let megabytes = |n: u64| n.saturating_mul(1_000_000);
    let uploads = Data::new(Uploads {
        pool: pool.clone(),
        objects,
        rest: chrono::TimeDelta::hours(settings.evidence.upload_hours.into()),
        most: megabytes(settings.evidence.evidence_max_mb),
        quota: megabytes(settings.evidence.evidence_quota_mb),
    });
    let app_uploads = uploads.clone();
    let runner = Data::new(Runner::default());
    let (watching, growth) = growth::start(pool.clone());
    let growth = Data::new(growth);
    let sealer = Data::new(Sealer::new(pool.clone(), index));
    let accounts = Data::new(Accounts::new(pool.clone(), settings.require_second_factor));
    let document = Data::from(Arc::new(openapi()));
    let workers = settings.workers();
    let lag = Duration::from_millis(settings.replica_lag_ms);
    let (replicas, watching_replicas) = Replicas::start(&pool, &settings.replica_urls, lag)?;
    let replicas = Data::from(replicas);
    let connections = settings.db_connections();
    let shared_pool = pool.clone();
    let app_limits = limits.clone();
    let kept = Data::new(Kept::default());
    let leaving = Data::new(Leaving::default());
    let app_leaving = leaving.clone();
    let admission = Data::new(Admission::default());
    let app_ledger = ledger.clone();
    let server = HttpServer::new(move || {
        let pool = shared_pool.for_worker(workers);
        let turns = intake::turns(&pool);
        App::new()
            .app_data(Data::new(Intake::<Violation>::start(&pool, &turns)))
            .app_data(Data::new(Intake::<Protocol>::start(&pool, &turns)))
            .app_data(Data::new(Intake::<Detention>::start(&pool, &turns)))
            .app_data(Data::new(ReadPools::new(&pool, &replicas, (connections / workers).max(2))))
            .app_data(replicas.clone())
            .app_data(Data::new(pool))
            .app_data(places.clone())
            .app_data(app_limits.clone())
            .app_data(admission.clone())
            .app_data(kept.clone())
            .app_data(app_leaving.clone())
            .app_data(key.clone())
            .app_data(app_ledger.clone())
            .app_data(sealer.clone())
            .app_data(runner.clone())
            .app_data(growth.clone())
            .app_data(app_uploads.clone())
            .app_data(accounts.clone())
            .app_data(document.clone())
            .configure(routes)
            .default_service(web::to(nowhere))
            .wrap(from_fn(reads::tell_position))
            .wrap(from_fn(admission::admit))
            .wrap(from_fn(limits::limit))
            .wrap(from_fn(middleware::localise))
            .wrap(safe_headers())
            .wrap(from_fn(middleware::measure))
    })
    .workers(workers)
    .max_connections((settings.max_connections as usize).div_ceil(workers))
    .backlog(4096)
    .client_request_timeout(Duration::from_secs(10))
    .keep_alive(Duration::from_secs(75))
    .shutdown_timeout(settings.shutdown_seconds)
    .disable_signals()
    .bind(settings.listen)?;
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    let server = tokio::spawn(server);
    let mut tasks = vec![
        tokio::spawn(records::versions::commit_all_old(pool.clone())),
        tokio::spawn(sequencer::run(pool.clone(), ledger.into_inner())),
        tokio::spawn(uploads.as_ref().clone().sweep()),
        tokio::spawn(aggregates::fold::run(pool.clone())),
        tokio::spawn(async move { limits.sweep().await }),
        tokio::spawn(health::upkeep(health::UPKEEP)),
    ];
    tasks.extend(watching_replicas);
    Ok(Running {
        address,
        pool,
        leaving,
        handle,
        server: Some(server),
        tasks,
        growth: tokio::spawn(watching),
    })
}

/// What browsers are told of every answer that says nothing of its own. Over plain HTTP they pass over the first one
/// (RFC 6797, 8.1).
fn safe_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("Strict-Transport-Security", "max-age=31536000; includeSubDomains"))
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("Referrer-Policy", "no-referrer"))
        .add(("Cross-Origin-Opener-Policy", "same-origin"))
        .add(("Cross-Origin-Resource-Policy", "same-origin"))
        .add(("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"))
}
