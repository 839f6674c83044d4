//! Builds the web pages where Node is present, for the program to embed; without them the API works alone.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

fn main() {
    for path in
        ["web/src", "web/public", "web/index.html", "web/vite.config.ts", "web/package-lock.json", "i18n"]
    {
        println!("cargo:rerun-if-changed={path}");
    }
    println!("cargo:rerun-if-env-changed=BAQYLAU_WITHOUT_WEB");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("web");
    fs::create_dir_all(&out).expect("the build's own directory can be written");
    let web = Path::new("web");
    if env::var_os("BAQYLAU_WITHOUT_WEB").is_some() || !web.join("package.json").exists() {
        return;
    }
    if !new_enough() || !npm(web).arg("--version").stdout(Stdio::null()).status().is_ok_and(|it| it.success())
    {
        println!("cargo:warning=Node 20.19 or newer with npm is not there: the web pages are left out");
        return;
    }
    if !installed(web) && !run(npm(web).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])) {
        println!("cargo:warning=npm could not install what the web pages need: they are left out");
        return;
    }
    let built = run(npm(web).args(["run", "build", "--", "--emptyOutDir", "--outDir"]).arg(&out));
    assert!(built, "the web pages could not be built; BAQYLAU_WITHOUT_WEB=1 leaves them out");
}

fn npm(web: &Path) -> Command {
    let mut npm = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    npm.current_dir(web);
    npm
}

/// Whether Node is as new as Vite wants it.
fn new_enough() -> bool {
    let Ok(output) = Command::new("node").arg("--version").output() else { return false };
    let version = String::from_utf8_lossy(&output.stdout).trim().trim_start_matches('v').to_owned();
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next(), parts.next()) >= (Some(20), Some(19))
}

/// Whether what is installed is what the lock file asks for.
fn installed(web: &Path) -> bool {
    let time = |path: &str| fs::metadata(web.join(path)).and_then(|it| it.modified()).ok();
    match (time("node_modules/.package-lock.json"), time("package-lock.json")) {
        (Some(installed), Some(asked)) => installed >= asked,
        _ => false,
    }
}

/// Runs a command; what it says is told only when it fails.
fn run(command: &mut Command) -> bool {
    let Ok(output) = command.output() else { return false };
    if !output.status.success() {
        for line in String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).lines() {
            println!("cargo:warning={line}");
        }
    }
    output.status.success()
}
