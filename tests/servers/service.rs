//! The program as it is run: a process that serves.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

/// The administrator's password of services that tests start.
pub const PASSWORD: &str = "correct horse battery";

/// A service that runs.
pub struct Serving {
    child: Child,
    pub url: String,
}

/// The program, with nothing of the tester's own settings.
pub fn program(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baqylau"));
    for (name, _) in
        std::env::vars().filter(|(name, _)| name.starts_with("BAQYLAU_") || name.starts_with("DATABASE_"))
    {
        command.env_remove(name);
    }
    command.env("BAQYLAU_DATA_DIR", dir).env("BAQYLAU_ADMIN_PASSWORD", PASSWORD);
    command
}

impl Serving {
    /// Starts a service; it answers when this returns.
    pub fn start(command: &mut Command) -> Self {
        let mut child =
            command.args(["serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("baqylau listens on ").map(str::to_owned))
            .expect("the service says where it listens");
        Self { child, url }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal that does not end it.
    pub fn tell(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Sends a signal and waits for the end.
    pub fn signal(&mut self, name: &str) -> i32 {
        self.tell(name);
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Waits until it says that it is ready; answers whether it did within a minute.
    pub async fn ready(&self) -> bool {
        let url = format!("{}/readyz", self.url);
        for _ in 0..1200 {
            if reqwest::get(&url).await.is_ok_and(|answer| answer.status() == 200) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }

    /// The administrator's access token.
    pub async fn admin(&self) -> String {
        let body = json!({ "email": "admin@baqylau.local", "password": PASSWORD });
        let request = baqylau::http::client().unwrap().post(format!("{}/api/v1/auth/login", self.url));
        let tokens: Value = request.json(&body).send().await.unwrap().json().await.unwrap();
        tokens["access_token"].as_str().unwrap().to_owned()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
