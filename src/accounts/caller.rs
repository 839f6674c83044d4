//! Who asks: from the token of a request to an account that may act.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Data};
use moka::future::Cache;
use uuid::Uuid;

use super::{Account, Role, Scope, UserId, store, tokens::TokenKey};
use crate::{
    db::{DbResult, Pool},
    http::{Kind, Problem},
    places::{Directory, RegionReach},
};

/// How long another instance's change to an account may go unseen. A change made here is seen at once.
const STALE: Duration = Duration::from_secs(2);

/// Looks up the account of a session, at most once in two seconds.
pub struct Accounts {
    sessions: Cache<Uuid, Option<Arc<Account>>>,
    pool: Pool,
    /// Coordinators and admins without a second factor can do nothing but set one up.
    require_second_factor: bool,
}

impl Accounts {
    pub fn new(pool: Pool, require_second_factor: bool) -> Self {
        let sessions = Cache::builder().max_capacity(100_000).time_to_live(STALE).build();
        Self { sessions, pool, require_second_factor }
    }

    async fn of_session(&self, session: Uuid) -> Result<Option<Arc<Account>>, Problem> {
        let load = async {
            let account = store::of_session(&mut *self.pool.get().await?, session).await?;
            DbResult::Ok(account.map(Arc::new))
        };
        let found = self.sessions.try_get_with(session, load).await;
        found.map_err(|error| match Arc::try_unwrap(error) {
            Ok(error) => error.into(),
            Err(error) if error.is_transient() => Problem::later(Kind::Unavailable, 2),
            Err(_) => Problem::new(Kind::Internal),
        })
    }

    /// Makes a change to any account seen by the next request.
    pub fn forget(&self) {
        self.sessions.invalidate_all();
    }
}

/// The person who sent the request.
#[derive(Clone, Debug)]
pub struct Caller {
    pub account: Arc<Account>,
    pub session: Uuid,
}

impl Caller {
    pub fn id(&self) -> UserId {
        self.account.id
    }

    /// 403 unless the caller is a coordinator or an admin.
    pub fn require_coordinator(&self) -> Result<(), Problem> {
        if self.account.role == Role::Observer { Err(Problem::new(Kind::Forbidden)) } else { Ok(()) }
    }

    /// 403 unless the caller is an admin.
    pub fn require_admin(&self) -> Result<(), Problem> {
        if self.account.role == Role::Admin { Ok(()) } else { Err(Problem::new(Kind::Forbidden)) }
    }

    /// The records that the caller reaches.
    pub fn scope(&self, directory: &Directory) -> Scope {
        match self.account.role {
            Role::Admin => Scope::All,
            Role::Observer => Scope::Own(self.id()),
            Role::Coordinator => {
                let mut reach = RegionReach::default();
                self.account.regions.iter().for_each(|region| reach.extend(directory.reach(*region)));
                Scope::Regions(reach, self.id())
            }
        }
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let key = request.app_data::<Data<TokenKey>>().expect("the app has a token key");
        let accounts = request.app_data::<Data<Accounts>>().expect("the app has accounts").clone();
        let bearer = key.bearer(request);
        let own = request.path().starts_with("/api/v1/me") || request.path().starts_with("/api/v1/auth/");
        Box::pin(async move {
            let bearer = bearer.ok_or_else(|| Problem::new(Kind::Unauthenticated))?;
            let account = accounts.of_session(bearer.session).await?;
            let account = account.filter(|account| account.id == bearer.user && !account.disabled);
            let account = account.ok_or_else(|| Problem::new(Kind::Unauthenticated))?;
            let missing = account.role != Role::Observer && !account.second_factor;
            if accounts.require_second_factor && missing && !own {
                return Err(Problem::new(Kind::SecondFactorMissing));
            }
            Ok(Self { account, session: bearer.session })
        })
    }
}
