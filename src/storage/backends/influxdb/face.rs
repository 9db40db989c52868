//! How the backend looks to a person who chooses one.

use crate::storage::address::Address;
use crate::storage::face::{field, words};
use crate::storage::{Face, Like, Part, TakenApart, Words};

/// Name, picture and words.
pub(super) const FACE: Face = Face {
    name: Words::name("InfluxDB"),
    about: words(
        "Your time-series server, shared by several computers, for dashboards of your own.",
        "Ihr Zeitreihen-Server, von mehreren Rechnern gemeinsam benutzt, für eigene Übersichten.",
    ),
    icon: "M2 11 5.2 5l2.8 5.5L11 3.5l3 5",
    fields: &[
        field(
            "url",
            words("Address", "Adresse"),
            words(
                "With the path where a proxy has it under one. An address with organisation and bucket can be pasted here.",
                "Mit dem Pfad, wenn ein Proxy ihn unter einem hat. Eine Adresse mit Organisation und Bucket kann hier eingefügt werden.",
            ),
        ),
        field(
            "token",
            words("Token", "Token"),
            words(
                "It must be allowed to read and write both buckets.",
                "Es muss beide Buckets lesen und schreiben dürfen.",
            ),
        ),
        field("org", words("Organisation", "Organisation"), words("By its name.", "Mit ihrem Namen.")),
        field(
            "bucket",
            words("Bucket", "Bucket"),
            words(
                "Of results; a second one has `_rollup` after its name. Both are made where the token may.",
                "Für Ergebnisse; ein zweiter hat `_rollup` hinter dem Namen. Beide werden angelegt, wenn das Token es darf.",
            ),
        ),
        field(
            "caFile",
            words("CA file", "CA-Datei"),
            words(
                "Certificates (PEM) of the authority that signed the server's.",
                "Zertifikate (PEM) der Stelle, die das des Servers unterschrieben hat.",
            ),
        )
        .only("url", Like::Begins("https://"))
        .certificates(),
        field(
            "connectTimeout",
            words("Wait for a connection", "Warten auf eine Verbindung"),
            words("The longest, such as `10s`.", "Höchstens, etwa `10s`."),
        )
        .within(Part::Timing),
        field(
            "timeout",
            words("Time of a request", "Zeit einer Anfrage"),
            words("The longest, with its answer.", "Höchstens, mit ihrer Antwort."),
        )
        .within(Part::Timing),
        field(
            "proxy",
            Words::name("Proxy"),
            words(
                "On the way to the server; otherwise what `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say.",
                "Auf dem Weg zum Server; sonst gilt, was `HTTP_PROXY`, `HTTPS_PROXY` und `NO_PROXY` sagen.",
            ),
        )
        .within(Part::Advanced),
    ],
};

/// `https://host:8086/api/v2/write?org=…&bucket=…&token=…`; none where there is nothing in it but the address itself.
pub(super) fn take_apart(text: &str) -> Option<TakenApart> {
    let address = Address::read(text)?;
    if !matches!(address.scheme.as_str(), "http" | "https") {
        return None;
    }
    let path = address.path.split("/api/v2").next().unwrap_or_default().trim_end_matches('/');
    let said = |key: &str| address.said(key).map(str::to_owned);
    let token = said("token").or(address.password.clone()).or(address.user.clone());
    let (org, bucket) = (said("org"), said("bucket"));
    if token.is_none() && org.is_none() && bucket.is_none() && path == address.path.trim_end_matches('/') {
        return None;
    }
    let host = if address.host.contains(':') { format!("[{}]", address.host) } else { address.host.clone() };
    let port = address.port.map(|port| format!(":{port}")).unwrap_or_default();
    let url = format!("{}://{host}{port}{path}", address.scheme);
    let all = [("url", Some(url)), ("token", token), ("org", org), ("bucket", bucket)];
    Some(all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gives_the_fields() {
        let taken = |text: &str| {
            take_apart(text).map(|all| all.into_iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>())
        };
        assert_eq!(
            taken("http://h:8086/api/v2/write?org=my%20org&bucket=b&precision=ns").expect("an address"),
            ["url=http://h:8086", "org=my org", "bucket=b"]
        );
        assert_eq!(
            taken("https://:t0ken%3D%3D@[::1]/influx/?bucket=b").expect("an address"),
            ["url=https://[::1]/influx", "token=t0ken==", "bucket=b"]
        );
        for other in ["http://h:8086", "http://h:8086/", "https://h/some/path", "postgres://h/d?org=x", "h:8086?org=x"]
        {
            assert_eq!(taken(other), None, "{other}");
        }
    }
}
