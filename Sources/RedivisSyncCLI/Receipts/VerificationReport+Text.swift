import SyncCore

// For people.
extension VerificationReport {
    func sheet(_ style: TextStyle) -> Sheet {
        var sheet = Sheet(style, labelWidth: 13)
        if let since { sheet.field("since", "\(since); the chain is looked at whole", indent: 0) }
        if since != nil { sheet.gap() }
        write(chain, to: &sheet)
        sheet.gap()
        write(files, to: &sheet)
        for table in tables {
            sheet.gap()
            write(table, to: &sheet)
        }
        return sheet
    }

    private func write(_ chain: Chain, to sheet: inout Sheet) {
        sheet.heading(
            "chain  \(chain.isWhole ? "whole" : "broken, see below")",
            mark: chain.isWhole ? ("✓", .good) : ("✗", .bad))
        let broken = "that far in order"
        let order = chain.isWholeInDatabase ? "each following from the one before" : broken
        sheet.field("database", "\(Words.count(chain.receipts, "receipt")), \(order)")
        sheet.field(
            "file",
            "receipts.jsonl, \(Words.count(chain.fileLines, "line")), \(chain.isWholeInFile ? "the same" : broken)")
        if let hash = chain.lastHash { sheet.field("last hash", hash) }
    }

    private func write(_ files: Files, to sheet: inout Sheet) {
        let total = files.same + files.changed + files.gone + files.unmapped + files.unreadable
        let isSame = files.same == total
        let verdict =
            files.unreadable > 0
            ? "some cannot be read, see below" : isSame ? "as delivered" : "not all are as delivered"
        let mark: (String, TextStyle.Tint) =
            files.unreadable > 0 ? ("✗", .bad) : isSame ? ("✓", .good) : ("!", .pending)
        sheet.heading("local files  \(verdict)", mark: mark)
        sheet.field("same", "\(Words.grouped(files.same)), \(Words.bytes(files.bytesRead)) read")
        write("changed", files.changed, "changed since", to: &sheet)
        write("gone", files.gone, "not there any more", to: &sheet)
        if files.unmapped > 0 {
            sheet.field("not looked at", "\(Words.grouped(files.unmapped)): their mapping is not in the mapping file")
        }
        if files.unreadable > 0 { sheet.field("unreadable", Words.grouped(files.unreadable)) }
    }

    private func write(_ state: String, _ count: Int, _ words: String, to sheet: inout Sheet) {
        guard count > 0 else { return }
        sheet.field(state, "\(Words.grouped(count)) \(words)")
        let shown = files.examples.filter { $0.state == state }.prefix(10)
        for example in shown { sheet.field("", "\(example.mapping): \(example.path)", tint: .faint) }
        if count > shown.count { sheet.field("", "… and \(Words.grouped(count - shown.count)) more", tint: .faint) }
    }

    private func write(_ table: Table, to sheet: inout Sheet) {
        guard let uploads = table.uploads else {
            let words = table.failure == nil ? "not asked" : "could not be asked"
            sheet.heading("\(table.table)  \(words)", mark: table.failure == nil ? ("!", .pending) : ("✗", .bad))
            sheet.field("receipts", Words.grouped(table.receipts))
            sheet.field("because", table.failure ?? notAsked ?? "there is no token")
            return
        }
        let isProven = table.proven == table.receipts
        sheet.heading(
            "\(table.table)  \(isProven ? "proven" : "\(Words.grouped(table.receipts - table.proven)) not proven, see below")",
            mark: isProven ? ("✓", .good) : ("✗", .bad))
        let versions =
            (table.hasDraft == true ? ["the draft"] : [])
            + (table.releasedVersions.map { $0 > 0 ? [Words.count($0, "released version")] : [] } ?? [])
        sheet.field(
            "listed",
            "\(Words.count(uploads, "upload")) in \(versions.isEmpty ? "no version" : versions.joined(separator: " and "))"
        )
        sheet.field(
            "receipts",
            "\(Words.grouped(table.proven)) of \(Words.grouped(table.receipts)) have one completed upload of their name and size"
        )
        sheet.field("MD5", "told and equal for \(Words.grouped(table.md5Agrees))")
    }
}
