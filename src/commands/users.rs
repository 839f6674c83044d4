//! `baqylau user`.

use anyhow::{bail, ensure};

use crate::{
    accounts::{Login, Role, password, routes, store},
    db::Pool,
    faults::Faults,
    places,
};

/// Makes an account and tells its password if one was made.
pub async fn add(
    pool: &Pool,
    email: Option<String>,
    role: Role,
    regions: &[String],
    name: Option<String>,
    given: Option<String>,
) -> anyhow::Result<()> {
    if let Some(email) = &email {
        ensure!(email.contains('@') && email.len() <= 254, "{email:?} is no e-mail address");
    }
    let login = email.map_or_else(Login::made, Login::Email);
    let shown = login.text().to_owned();
    ensure!(given.as_ref().is_none_or(|it| it.chars().count() >= 12), "a password has 12 characters or more");
    let directory = places::store::load(&mut *pool.get().await?).await?;
    let checked = routes::check_role(Some(&role.to_string()), regions, &directory, Faults::default());
    let Ok((role, regions)) = checked else {
        bail!("a coordinator needs regions that there are (baqylau seed loads them): {}", regions.join(", "))
    };
    let made = given.is_none().then(routes::made_password);
    let password = given.or_else(|| made.clone()).unwrap_or_default();
    let new = store::NewAccount {
        name: name.unwrap_or_else(|| shown.clone()),
        login,
        role,
        regions,
        password_hash: Some(password::hash(password).await),
    };
    ensure!(store::add(&mut *pool.get().await?, new).await?.is_some(), "{shown} has an account already");
    match made {
        Some(password) => println!("{shown} is {role}; password, told this once: {password}"),
        None => println!("{shown} is {role}"),
    }
    Ok(())
}
