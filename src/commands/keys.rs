//! `baqylau keys`, `open` and `reseal`: the coalition's keys, on a coordinator's own machine.

use std::{
    fs::OpenOptions,
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use age::{secrecy::SecretString, x25519};
use anyhow::{Context, bail, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::{
    config::LedgerSettings,
    db::Pool,
    ledger::Ledger,
    sealing::{IndexKey, domain, store},
    secrets,
};

#[derive(Subcommand)]
pub enum Keys {
    /// Make a key that opens what is sealed: the file stays with a coordinator, the public key printed goes
    /// to the service. With BAQYLAU_KEY_PASSPHRASE the file is locked by that passphrase
    New {
        /// File to write; it must not be there yet
        #[arg(short, long)]
        output: PathBuf,
    },
    /// Make a key of the blind index, for BAQYLAU_INDEX_KEY
    Index,
    /// Print the ledger's public key, for `baqylau verify`
    Ledger(LedgerSettings),
    /// Seal names to a public key from now on
    Add {
        public_key: String,
        /// Whose key it is, or where it is kept
        #[arg(long)]
        label: String,
    },
    /// The public keys in use
    List,
    /// Seal names to this public key no more
    Retire { public_key: String },
}

#[derive(Args)]
pub struct Open {
    /// Armour, or the JSON of a sealed person [default: standard input]
    file: Option<PathBuf>,
    /// Key file made by `keys new`; may be given again
    #[arg(long = "key", required = true)]
    keys: Vec<PathBuf>,
}

#[derive(Args)]
pub struct Reseal {
    /// The service: `https://host`
    url: String,
    /// Key file that opens what is sealed now; may be given again
    #[arg(long = "key", required = true)]
    keys: Vec<PathBuf>,
    /// Access token of a coordinator or admin
    #[arg(long, env = "BAQYLAU_TOKEN", hide_env_values = true)]
    token: String,
    /// Key of the blind index: makes the tokens anew too, those of persons sealed on devices for the first
    /// time
    #[arg(long, env = "BAQYLAU_INDEX_KEY", hide_env_values = true)]
    index_key: Option<String>,
    /// Only these public keys may be sealed to; may be given again. Without it, whatever the service names
    #[arg(long = "to")]
    to: Vec<String>,
}

fn passphrase() -> Option<SecretString> {
    std::env::var("BAQYLAU_KEY_PASSPHRASE").ok().filter(|it| !it.is_empty()).map(SecretString::from)
}

/// Keys that need no database.
pub fn offline(keys: &Keys, data_dir: &Path) -> Option<anyhow::Result<()>> {
    Some(match keys {
        Keys::New { output } => new(output),
        Keys::Index => {
            println!("{}", BASE64_STANDARD.encode(rand::random::<[u8; 32]>()));
            Ok(())
        }
        Keys::Ledger(it) => Ledger::load(&it.ledger_name, it.ledger_key.as_deref(), data_dir)
            .map(|ledger| println!("{}", ledger.signer.verifier())),
        Keys::Add { .. } | Keys::List | Keys::Retire { .. } => return None,
    })
}

/// Keys that the service's database holds.
pub async fn stored(pool: &Pool, keys: Keys) -> anyhow::Result<()> {
    let mut conn = pool.get().await?;
    match keys {
        Keys::Add { public_key, label } => {
            let public_key = domain::recipient(&public_key)?.to_string();
            store::add(&mut conn, &public_key, &label, None).await?;
            println!("names are sealed to {public_key} too");
        }
        Keys::Retire { public_key } => {
            ensure!(store::retire(&mut conn, public_key.trim()).await?, "{public_key} is not in use");
            println!("retired; `baqylau reseal` seals anew what it opens still");
        }
        Keys::List => {
            for key in store::active(&mut conn).await? {
                println!("{} {} since {}", key.public_key, key.label, key.added_at.date_naive());
            }
        }
        Keys::New { .. } | Keys::Index | Keys::Ledger(_) => unreachable!("needs no database"),
    }
    Ok(())
}

fn new(output: &Path) -> anyhow::Result<()> {
    let (text, public_key) = domain::new_identity();
    let text = match passphrase() {
        None => text.into_bytes(),
        Some(passphrase) => {
            let recipient = age::scrypt::Recipient::new(passphrase);
            age::encrypt_and_armor(&recipient, text.as_bytes())?.into_bytes()
        }
    };
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(output)
        .with_context(|| output.display().to_string())?;
    file.write_all(&text)?;
    file.sync_all()?;
    println!("{public_key}");
    Ok(())
}

fn identities(files: &[PathBuf]) -> anyhow::Result<Vec<x25519::Identity>> {
    let mut all = Vec::new();
    for file in files {
        let mut text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        if text.starts_with("-----BEGIN AGE") {
            let passphrase = passphrase().context("the key file is locked: set BAQYLAU_KEY_PASSPHRASE")?;
            let opened = age::decrypt(&age::scrypt::Identity::new(passphrase), text.as_bytes());
            text = String::from_utf8(opened.context("the passphrase does not open the key file")?)?;
        }
        all.extend(domain::identities(&text)?);
    }
    ensure!(!all.is_empty(), "there is no key in the key files");
    Ok(all)
}

/// Opens a sealed person and prints them.
pub fn open(args: &Open) -> anyhow::Result<()> {
    let mut text = String::new();
    match &args.file {
        Some(file) => text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?,
        None => {
            std::io::stdin().read_to_string(&mut text)?;
        }
    }
    let keys = identities(&args.keys)?;
    let armour = match serde_json::from_str::<Value>(&text) {
        Ok(value) => value["armour"].as_str().context("there is no `armour` in this JSON")?.to_owned(),
        Err(_) => text,
    };
    let person = domain::open(armour.trim(), &keys)?;
    println!("{}", String::from_utf8_lossy(&person).trim_end());
    Ok(())
}

/// Seals all persons within the caller's reach anew, to the keys now in use.
pub async fn reseal(args: &Reseal) -> anyhow::Result<()> {
    let keys = identities(&args.keys)?;
    let index = args.index_key.as_deref().map(secrets::decode).transpose().context("the index key")?;
    let index = index.map(|secret| IndexKey::new(&secret));
    let client = crate::http::client()?;
    let base = format!("{}/api/v1", args.url.trim_end_matches('/'));
    let get = async |path: String| -> anyhow::Result<Value> {
        let answer = client.get(format!("{base}{path}")).bearer_auth(&args.token).send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "{path}: {status} {}", answer.text().await.unwrap_or_default());
        Ok(answer.json().await?)
    };
    let mut recipients = Vec::new();
    for named in get("/recipients".to_owned()).await?.as_array().into_iter().flatten() {
        let key = named["public_key"].as_str().unwrap_or_default();
        if args.to.is_empty() || args.to.iter().any(|to| to.trim() == key) {
            recipients.push(domain::recipient(key)?);
        }
    }
    ensure!(!recipients.is_empty(), "the service names no key to seal to");
    let sealed_to: Vec<String> = recipients.iter().map(ToString::to_string).collect();
    let (mut done, mut locked) = (0, 0);
    let mut cursor = String::new();
    loop {
        let page = get(format!("/sealed-persons?limit=100&reason=reseal&cursor={cursor}")).await?;
        for sealed in page["items"].as_array().into_iter().flatten() {
            let id = sealed["detention"].as_str().unwrap_or_default();
            let Ok(mut text) = domain::open(sealed["armour"].as_str().unwrap_or_default(), &keys) else {
                eprintln!("{id}: none of the keys opens this");
                locked += 1;
                continue;
            };
            let mut body = json!({ "armour": domain::seal(&text, &recipients)?, "sealed_to": sealed_to });
            if let (Some(index), Ok(person)) = (&index, serde_json::from_slice::<domain::Person>(&text)) {
                body["tokens"] = index.tokens(&person.name).iter().map(hex::encode).collect();
            }
            text.fill(0);
            let url = format!("{base}/detentions/{id}/sealed-person");
            let answer = client.put(url).bearer_auth(&args.token).json(&body).send().await?;
            let status = answer.status();
            ensure!(status.is_success(), "{id}: {status} {}", answer.text().await.unwrap_or_default());
            done += 1;
        }
        match page["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    println!("{done} persons are sealed anew to {} keys", recipients.len());
    if locked > 0 {
        bail!("{locked} could not be opened and are as they were");
    }
    Ok(())
}
