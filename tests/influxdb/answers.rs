//! Answers that are none: a proxy's page, garbage, an answer that is cut off. None of them is taken for rows or for the
//! lack of rows, none is a row's fault, and no panic leaves its task.

use hallmonitor::storage::StoreErrorKind;
use hallmonitor::storage::backends::influxdb::InfluxDb;

use crate::door::{Deed, Door, answer};
use crate::{
    assert_told, batch, block, delivery, drained, hasty, open, push, read, rows, server, stopped, stream, until,
};

const WRITE: &str = "POST /api/v2/write";
const QUERY: &str = "POST /api/v2/query";
const PAGE: &str = "<!DOCTYPE html><html><body>Please log in</body></html>";

#[test]
fn a_page_of_a_proxy_is_told_as_that_and_costs_no_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    block(async {
        let server = server().await;
        let door = Door::to(server.port()).await;
        let settings = InfluxDb { url: door.url(), ..server.settings("page") };
        let store = open(&settings).await.expect("opens");
        let delivery = delivery(folder.path(), &settings);
        let all = stream(1, 3, 900);
        push(&delivery, &all[..900]);
        drained(&delivery).await;
        for (at, status) in ["200 OK", "400 Bad Request", "401 Unauthorized", "404 Not Found", "502 Bad Gateway"]
            .into_iter()
            .enumerate()
        {
            door.does(move |_| answer(status, "Content-Type: text/html\r\n", PAGE));
            let error = read(&*store, None).await.expect_err("is no answer");
            assert_told(&error, StoreErrorKind::Unavailable, &["is there a proxy in between"]);
            let late = batch(&all[..10]);
            let error = store.append(&late).await.expect_err("is no answer");
            assert_told(&error, StoreErrorKind::Unavailable, &["is there a proxy in between"]);
            let from = 900 + at * 300;
            push(&delivery, &all[from..from + 300]);
            until("the fault is told", async || delivery.status().fault).await;
            door.does(|_| Deed::Pass);
            drained(&delivery).await;
        }
        stopped(delivery).await;
        push_rest(&settings, &all[2_400..]).await;
        assert_eq!(read(&*store, None).await.expect("reads"), all);
    });
}

async fn push_rest(settings: &InfluxDb, rest: &[hallmonitor::model::CheckResult]) {
    open(settings).await.expect("opens").append(&batch(rest)).await.expect("appends");
}

#[test]
fn garbage_is_no_answer() {
    block(async {
        let server = server().await;
        let door = Door::to(server.port()).await;
        let settings = InfluxDb { url: door.url(), ..server.settings("garbage") };
        let store = open(&settings).await.expect("opens");
        let all = rows(2, 100);
        store.append(&batch(&all)).await.expect("appends");
        let table = "#datatype,string,long,dateTime:RFC3339,string\r\n#group,false,false,false,false\r\n\
                     #default,rows,,,\r\n,result,table,_time,_value\r\n";
        let end = "\r\n#datatype,string,long,string\r\n#group,false,false,false\r\n#default,zz_end,,\r\n\
                   ,result,table,_value\r\n,,0,end\r\n";
        let garbage = [
            String::new(),
            "\u{0}\u{1}\u{FFFD}".to_owned(),
            "a,b,c\r\n1,2,3\r\n".to_owned(),
            r#"{"results":[]}"#.to_owned(),
            table.to_owned(),
            format!("{table},,x,2026-03-01T00:00:00Z,1AAAA\r\n{end}"),
            format!("{table},,0,yesterday,1AAAA\r\n{end}"),
            format!("{table},,0\r\n{end}"),
            format!("{}{end}", table.replace("long", "colour")),
            "#datatype,string,string\r\n#group,true,true\r\n#default,,\r\n,error,reference\r\n,it broke,7\r\n"
                .to_owned(),
            "#\r\n#\r\n#\r\n".to_owned(),
            format!("{table},,0,2026-03-01T00:00:00Z,\"1AAAA\r\n"),
        ];
        for body in garbage {
            let told = body.clone();
            door.does(move |seen| match seen.what == QUERY {
                true => answer("200 OK", "Content-Type: text/csv\r\n", &body),
                false => Deed::Pass,
            });
            let error = read(&*store, None).await.expect_err(&told);
            assert_eq!(error.kind, StoreErrorKind::Unavailable, "{told:?}: {error}");
            // What is there already is looked for: an answer that is none must not mean that nothing is there.
            let error = store.append(&batch(&all[..5])).await.expect_err(&told);
            assert_eq!(error.kind, StoreErrorKind::Unavailable, "{told:?}: {error}");
        }
        // A whole answer with a row that is not ours.
        for packed in ["", "2AAAA", "1???", "x"] {
            let body = format!("{table},,0,2026-03-01T00:00:00Z,{packed}\r\n{end}");
            door.does(move |seen| match seen.what == QUERY {
                true => answer("200 OK", "Content-Type: text/csv\r\n", &body),
                false => Deed::Pass,
            });
            let error = read(&*store, Some(all[0].monitor)).await.expect_err(packed);
            assert_told(&error, StoreErrorKind::Corrupt, &["a stored row cannot be read"]);
        }
        door.does(|_| Deed::Pass);
        assert_eq!(read(&*store, None).await.expect("reads"), all);
    });
}

#[test]
fn an_answer_cut_anywhere_is_no_answer() {
    block(async {
        let server = server().await;
        let door = Door::to(server.port()).await;
        let settings = hasty(&InfluxDb { url: door.url(), ..server.settings("cut_answer") });
        let store = open(&settings).await.expect("opens");
        let all = rows(3, 200);
        store.append(&batch(&all)).await.expect("appends");
        let mut whole = 0;
        for bytes in (0..25_000).step_by(397) {
            door.does(move |seen| if seen.what == QUERY { Deed::Cut(bytes) } else { Deed::Pass });
            match read(&*store, Some(all[0].monitor)).await {
                Ok(read) => {
                    assert_eq!(read, all, "after {bytes} bytes");
                    whole += 1;
                }
                Err(error) => assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}"),
            }
        }
        assert!((1..60).contains(&whole), "{whole} answers were whole");
        door.does(|_| Deed::Pass);
        assert_eq!(read(&*store, None).await.expect("reads"), all);
        assert!(door.seen(WRITE).len() < 10);
    });
}
