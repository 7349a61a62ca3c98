//! The real program as a process of its own, on the machine's time.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::app::{TARGETS, World, shipped};
use crate::senders::Knock;

/// Longer than the program needs for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The shipped configuration, with the partners of this world and a Shopee at this address.
pub fn configuration(world: &World, shopee: &str) -> PathBuf {
    let folder = world.place.folder().join("config");
    std::fs::create_dir_all(folder.join("schema")).unwrap();
    for file in [
        "kenh",
        "channels",
        "targets",
        "locations",
        "routing",
        "catalog",
        "tax",
    ] {
        let text = std::fs::read_to_string(shipped().join(format!("{file}.toml"))).unwrap();
        let text = match file {
            "kenh" => text
                .replace("127.0.0.1:8080", "127.0.0.1:0")
                // A URL may hold a password, and then it may not stand in the file.
                .replace(
                    "url = \"sqlite://kenh.db\"",
                    "url = { env = \"KENH_IT_DATABASE\" }",
                )
                .replace("level = \"info\"", "level = \"warn\""),
            "channels" => text
                .replace(
                    "[channels.shopee-vn]\n",
                    "[channels.shopee-vn]\ninternal = true\n",
                )
                .replace("https://partner.shopeemobile.com", shopee),
            "targets" => {
                let mut text = text;
                for id in TARGETS {
                    let head = format!("[targets.{id}]\n");
                    text = text.replace(&head, &format!("{head}internal = true\n"));
                    let (before, after) = text.split_once(&head).unwrap();
                    let (url, rest) = after.split_once("url = \"").unwrap();
                    let (_, rest) = rest.split_once('"').unwrap();
                    let partner = world.partner(id).url();
                    text = format!("{before}{head}{url}url = \"{partner}\"{rest}");
                }
                text
            }
            _ => text,
        };
        std::fs::write(folder.join(format!("{file}.toml")), text).unwrap();
    }
    folder
}

/// The program with what it finds in its environment, and nothing else.
pub fn kenh(secrets: &sandbox::Secrets) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kenh"));
    command
        .env_clear()
        .envs(secrets.environment(TARGETS))
        .env("KENH_KEY_1", "0123456789abcdef0123456789abcdef".repeat(2))
        .stdin(Stdio::null());
    command
}

/// What a command that ended said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub complaint: String,
}

/// Runs a command to its end; what it asks of servers in this process is answered meanwhile.
pub async fn run(mut command: Command) -> Said {
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap();
    Said {
        code: output.status.code().expect("it was not killed"),
        out: String::from_utf8(output.stdout).unwrap(),
        complaint: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The program beside a gateway, on the same database.
pub struct Operator<'a> {
    world: &'a World,
    config: PathBuf,
}

impl<'a> Operator<'a> {
    /// With a Shopee at this address.
    pub fn of(world: &'a World, shopee: &str) -> Self {
        let config = configuration(world, shopee);
        Self { world, config }
    }

    /// A command as it is typed, without its configuration.
    pub async fn types(&self, words: &str) -> Said {
        run(self.command(words)).await
    }

    /// A command that dies at a point, as by a power loss.
    pub async fn dies(&self, words: &str, point: &str) {
        let mut command = self.command(words);
        command.env("KENH_CRASH_AT", point);
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = output.await.unwrap().unwrap();
        assert_eq!(output.status.code(), None, "{point} was never reached");
    }

    fn command(&self, words: &str) -> Command {
        let mut command = kenh(&self.world.secrets);
        command
            .args(words.split(' '))
            .arg("--config")
            .arg(&self.config)
            .env("KENH_IT_DATABASE", &self.world.place.url);
        command
    }
}

/// The gateway, running.
pub struct Program {
    child: Child,
    pub url: String,
}

impl Program {
    /// Starts it and waits until it listens; dies at `crash_at`, if given.
    pub async fn start(world: &World, config: &Path, crash_at: Option<&str>) -> Self {
        let out = world.place.folder().join("out");
        let mut command = kenh(&world.secrets);
        command
            .args(["serve", "--config"])
            .arg(config)
            .env("KENH_IT_DATABASE", &world.place.url)
            .stdout(std::fs::File::create(&out).unwrap())
            .stderr(std::fs::File::create(world.place.folder().join("err")).unwrap());
        if let Some(point) = crash_at {
            command.env("KENH_CRASH_AT", point);
        }
        let mut program = Self {
            child: command.spawn().unwrap(),
            url: String::new(),
        };
        let started = Instant::now();
        while program.url.is_empty() && program.lives() {
            assert!(started.elapsed() < PATIENCE, "it does not listen");
            let text = std::fs::read_to_string(&out).unwrap_or_default();
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("listening on "));
            line.unwrap_or_default().clone_into(&mut program.url);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        program
    }

    fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Whether the door acknowledged it.
    pub async fn takes(&self, world: &World, knock: &Knock) -> bool {
        let url = format!("{}{}", self.url, knock.path);
        let mut request = world.http.post(url).body(knock.body.clone());
        for (name, value) in &knock.headers {
            request = request.header(name, value);
        }
        let sent = request.timeout(Duration::from_secs(10)).send().await;
        sent.is_ok_and(|response| response.status().is_success())
    }

    pub async fn dies(&mut self, point: &str) {
        let started = Instant::now();
        while self.lives() {
            assert!(started.elapsed() < PATIENCE, "{point} was never reached");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have died already, which is what most tests want.
        if self.child.kill().is_ok() {
            self.child.wait().unwrap();
        }
    }
}
