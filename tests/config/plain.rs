//! Any readable secret, however it is written, is moved so that the file means what it meant.

use std::path::Path;

use hallmonitor::config::{Config, Document, Vars, parse};
use hallmonitor::secret::{MemoryVault, Vault as _};
use proptest::prelude::*;

/// A text as a value of YAML, in one of the ways that there are.
fn written(text: &str, way: u8) -> String {
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/:.-_%".contains(c)) && !text.ends_with(':');
    match way {
        0 if is_plain && !text.is_empty() => text.to_owned(),
        1 => format!("'{}'", text.replace('\'', "''")),
        2 => format!("&anchor \"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        _ => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

fn read(text: &str, vault: &MemoryVault) -> Option<Config> {
    parse(text.as_bytes(), Path::new("c.yml"), &Vars::default(), vault).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn whatever_is_moved_means_what_it_meant(
        user in "[a-z]{0,3}(:[a-zA-Z0-9%@:$!]{0,8})?",
        query in "([a-z]{1,3}|token|api_key|Key)=[a-z0-9%@/?:$ {}]{0,9}(&(key|b)=[a-z0-9%]{0,5})?",
        header in "(Bearer |basic |  )?[ -~]{0,12}",
        key in "[ -~äé]{0,10}",
        ways in prop::array::uniform3(0_u8..4),
        block in any::<bool>(),
        crlf in any::<bool>(),
    ) {
        let url = format!("http://{user}{}h/p?{query}", if user.is_empty() { "" } else { "@" });
        let [url, header, key] = [(url, ways[0]), (header, ways[1]), (key, ways[2])].map(|(text, way)| written(&text, way));
        let text = if block {
            format!(
                "monitoring:\n  groups:\n  - name: g\n    monitors:\n    - name: m\n      type: http\n      url: {url} # u\n      \
                 headers:\n        Authorization: {header} # h\n        X-Key: {key}\n        Accept: x\n"
            )
        } else {
            format!(
                "monitoring: {{groups: [{{name: g, monitors: [{{name: m, type: http, url: {url}, headers: {{Authorization: {header}, \
                 X-Key: {key}, Accept: x}}}}]}}]}} # end\n"
            )
        };
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        let vault = MemoryVault::default();
        let Ok(document) = Document::parse(text.as_bytes(), Path::new("c.yml")) else { return Ok(()) };
        let plain = document.plain_secrets();
        let able: Vec<_> = plain.iter().filter(|plain| plain.by_hand.is_none()).collect();
        let names: Vec<String> = (0..able.len()).map(|number| format!("s{number}")).collect();
        for (plain, name) in able.iter().zip(&names) {
            vault.set(name, plain.secret().to_string().into()).expect("set");
        }
        let moved: Vec<_> = able.iter().copied().zip(names.iter().map(String::as_str)).collect();
        let after = document.refer(&moved).expect("moves");
        prop_assert_eq!(after.plain_secrets().len(), plain.len() - able.len(), "{}\n{}", text, after.text());
        prop_assert_eq!(after.text().matches('\n').count(), text.matches('\n').count(), "{}", after.text());
        // What the reader would refuse says nothing about what it meant.
        if let Some(before) = read(&text, &vault) {
            let now = read(after.text(), &vault);
            prop_assert!(now.as_ref().is_some_and(|now| now.monitors == before.monitors), "{}\n{}", text, after.text());
        }
    }
}
