//! `baqylau doctor`.

use anyhow::ensure;

use super::Database as Opened;
use crate::{
    config::Storage,
    db::{Pool, migrations},
    vitals::{
        self,
        doctor::{self, Level},
    },
};

#[derive(clap::Args)]
pub struct DoctorArgs {
    /// Findings as JSON
    #[arg(long)]
    json: bool,
}

/// Looks at everything and tells it; an error where something fails.
pub async fn run(storage: &Storage, args: &DoctorArgs) -> anyhow::Result<()> {
    let opened = Opened::open(storage).await?;
    let looked = async {
        let pending = migrations::pending(&opened.url).await?;
        let database = vitals::Database::read_patiently(&Pool::new(&opened.url, 1)?).await;
        anyhow::Ok((pending, database))
    };
    let looked = looked.await;
    opened.close().await?;
    let (pending, database) = looked?;
    let mut found = doctor::of_files(
        &storage.data_dir(),
        storage.backup_dir().as_deref(),
        storage.database_url.is_none(),
    );
    match database {
        Ok(database) => found.extend(doctor::of_database(&database, pending)),
        // Before the first migration there is nothing to ask about.
        Err(_) if pending > 0 => println!("the database has no schema yet: run `baqylau migrate`"),
        Err(error) => return Err(error.into()),
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&found)?);
    } else {
        for finding in &found {
            let sign = match finding.level {
                Level::Ok => "ok  ",
                Level::Warn => "warn",
                Level::Fail => "FAIL",
            };
            println!("{sign}  {:<14} {}", finding.name, finding.told);
            if let Some(advice) = finding.advice {
                println!("      {:<14} {advice}", "");
            }
        }
    }
    let failed = found.iter().filter(|finding| finding.level == Level::Fail).count();
    ensure!(failed == 0, "{failed} things fail");
    Ok(())
}
