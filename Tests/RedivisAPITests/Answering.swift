import SyncCore

@testable import RedivisAPI

extension WebAnswer {
    init(_ status: Int, _ fields: [(String, String)] = [], _ body: String = "") {
        self.init(status: status, fields: WebFields(fields), body: Array(body.utf8))
    }
}

/// 2023-11-14T22:13:20Z.
let someTime = Timestamp(milliseconds: 1_700_000_000_000)

let html = [("Content-Type", "text/html; charset=utf-8")]
let json = [("Content-Type", "application/json")]
