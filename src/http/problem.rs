//! Problem details (RFC 9457): the one form of every error.

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde::Serialize;
use strum::IntoStaticStr;
use utoipa::ToSchema;

use crate::{
    db::DbError,
    faults::{Fault, Faults},
    i18n::Language,
};

/// Every kind of problem. The word is the end of its `type`, which never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Kind {
    Malformed,
    Invalid,
    Unauthenticated,
    Credentials,
    /// The password was right; a code of the second factor is needed too.
    SecondFactor,
    TokenReused,
    /// A second factor has to be set up first.
    SecondFactorMissing,
    /// An invitation that is used, expired, revoked or none.
    Invitation,
    Forbidden,
    NotFound,
    Method,
    Timeout,
    Conflict,
    State,
    Taken,
    Stale,
    Precondition,
    TooLarge,
    MediaType,
    RateLimited,
    /// tus: the client speaks no version that is spoken here.
    TusVersion,
    /// tus: the upload stands elsewhere.
    Offset,
    /// tus: what arrived is not what was meant.
    Checksum,
    /// This form of file is not taken as evidence.
    FileType,
    Quota,
    /// No copy without metadata can be made.
    NoCopy,
    Internal,
    Unavailable,
}

impl Kind {
    fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unauthenticated | Self::Credentials | Self::SecondFactor | Self::TokenReused => {
                StatusCode::UNAUTHORIZED
            }
            Self::Forbidden | Self::SecondFactorMissing => StatusCode::FORBIDDEN,
            Self::Invitation => StatusCode::GONE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict | Self::State | Self::Taken => StatusCode::CONFLICT,
            Self::Stale => StatusCode::PRECONDITION_FAILED,
            Self::Precondition => StatusCode::PRECONDITION_REQUIRED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TusVersion => StatusCode::PRECONDITION_FAILED,
            Self::Offset | Self::NoCopy => StatusCode::CONFLICT,
            // The code that tus 1.0 gives it.
            Self::Checksum => StatusCode::from_u16(460).expect("a valid code"),
            Self::FileType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Quota => StatusCode::PAYLOAD_TOO_LARGE,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// A problem on its way out; `http::localise` puts it into the client's language.
#[derive(Clone, Debug)]
pub struct Problem {
    pub kind: Kind,
    pub faults: Vec<Fault>,
    /// Seconds after which trying again makes sense.
    pub retry_after: Option<u64>,
}

/// The body of a problem.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Stable identifier of the kind of problem.
    r#type: String,
    title: String,
    status: u16,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FaultBody>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Fault)]
struct FaultBody {
    /// JSON pointer (RFC 6901) into the body, or `?name` for a query parameter.
    pointer: String,
    code: &'static str,
    detail: String,
}

impl ProblemBody {
    pub fn status(&self) -> u16 {
        self.status
    }
}

impl Problem {
    pub fn new(kind: Kind) -> Self {
        Self { kind, faults: Vec::new(), retry_after: None }
    }

    /// Too much at once; come back after `seconds`.
    pub fn later(kind: Kind, seconds: u64) -> Self {
        Self { retry_after: Some(seconds.max(1)), ..Self::new(kind) }
    }

    /// One fault of the input.
    pub fn fault(pointer: &str, code: &'static str) -> Self {
        let mut faults = Faults::default();
        faults.add(pointer, code);
        faults.into()
    }

    /// The body in `language`.
    pub fn body(&self, language: Language) -> ProblemBody {
        let word: &'static str = self.kind.into();
        ProblemBody {
            r#type: format!("urn:baqylau:problem:{word}"),
            title: language.text(&format!("problem-{word}"), &[]),
            status: self.kind.status().as_u16(),
            errors: (self.faults.iter())
                .map(|fault| FaultBody {
                    pointer: fault.pointer.clone(),
                    code: fault.code,
                    detail: language.text(&format!("fault-{}", fault.code), &fault.args),
                })
                .collect(),
        }
    }

    /// The response in `language`.
    pub fn response(&self, language: Language) -> HttpResponse {
        let mut response = HttpResponse::build(self.kind.status());
        response.insert_header((header::CONTENT_LANGUAGE, language.code()));
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(seconds) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if self.kind.status() == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if self.kind == Kind::TusVersion {
            response.insert_header(("Tus-Version", "1.0.0"));
        }
        let body = serde_json::to_vec(&self.body(language)).expect("a problem is JSON");
        response.content_type("application/problem+json").body(body)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind.into())
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.status()
    }

    fn error_response(&self) -> HttpResponse {
        self.response(Language::default())
    }
}

impl From<Faults> for Problem {
    fn from(faults: Faults) -> Self {
        Self { faults: faults.into_vec(), ..Self::new(Kind::Invalid) }
    }
}

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        if error.is_transient() {
            tracing::warn!(%error, "the database is away");
            return Self::later(Kind::Unavailable, 2);
        }
        // Values never reach the log: PostgreSQL's message names constraints and types only.
        tracing::error!(%error, "a query failed");
        Self::new(Kind::Internal)
    }
}
