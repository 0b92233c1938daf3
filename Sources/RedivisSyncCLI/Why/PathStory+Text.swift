import SyncCore

// What `why` shows to people.

extension PathStory {
    /// - Parameter folders: what is mapped, for a path that lies in none of it.
    func sheet(_ style: TextStyle, folders: [String]) -> Sheet {
        var sheet = Sheet(style)
        sheet.heading(path)
        guard !mappings.isEmpty else {
            sheet.field("mapping", "none: it lies in no mapped folder, so nothing looks at it", tint: .pending)
            for (index, folder) in folders.enumerated() { sheet.field(index == 0 ? "mapped" : "", folder) }
            return sheet
        }
        for place in mappings { place.write(to: &sheet, isOnly: mappings.count == 1) }
        return sheet
    }
}

extension PathStory.Place {
    fileprivate func write(to sheet: inout Sheet, isOnly: Bool) {
        if !isOnly { sheet.gap() }
        sheet.field("mapping", "\(mapping): \(folder) → \(table)")
        sheet.field("rule", "\(verdictText)\(rule.map { ": \($0)" } ?? "")", tint: verdict == .taken ? nil : .pending)
        sheet.field("file", fileText)
        // Where a rule leaves it out, its line has said so.
        if let explanation, verdict == .taken {
            sheet.field("now", explanation, tint: .pending)
        }
        for event in journal { sheet.field("", "\(event.at)  \(event.note)") }
        for version in versions { version.write(to: &sheet, below: folder) }
    }

    private var verdictText: String {
        switch verdict {
        case .taken: "taken"
        case .ignored: "left out"
        case .otherMapping: "not this mapping's"
        }
    }

    private var fileText: String {
        let words = kind.replacing("_", with: " ")
        guard let sizeBytes else { return kind == "missing" ? "not there" : words }
        return Words.bytes(sizeBytes) + (modifiedAt.map { ", modified \($0)" } ?? "")
    }
}

extension PathStory.Version {
    fileprivate func write(to sheet: inout Sheet, below folder: String) {
        sheet.gap()
        let title = (file.id.map { "version \($0), " } ?? "") + Words.bytes(file.sizeBytes)
        sheet.heading(title, mark: (file.state, state.tint), indent: 2)
        var fields: [(String, String?)] = [
            ("because", file.reason), ("do", file.remedy), ("next", next), ("attempts", attemptsText),
            ("confirmed", confirmedText), ("upload", file.uploadName), ("sha256", file.sha256),
            ("receipt", receipt.map(\.text)),
        ]
        fields += historyLines.enumerated().map { ($0 == 0 ? "history" : "", $1) }
        for (label, text) in fields {
            if let text { sheet.field(label, text, indent: 4, tint: label == "do" ? .strong : nil) }
        }
    }

    /// A large file has thousands of lines that say how far it is: of a row of them the first and the last.
    private var historyLines: [String] {
        var lines: [String] = []
        var row: [PathStory.Event] = []
        func endRow() {
            if let first = row.first { lines.append(first.line) }
            if row.count > 3 {
                lines.append("… \(Words.grouped(row.count - 2)) more such lines: redivis-sync why --json has them all")
            } else {
                lines += row.dropFirst().dropLast().map(\.line)
            }
            if row.count > 1, let last = row.last { lines.append(last.line) }
            row = []
        }
        for event in journal {
            if event.note.hasSuffix(" bytes confirmed") {
                row.append(event)
            } else {
                endRow()
                lines.append(event.line)
            }
        }
        endRow()
        return lines
    }

    private var confirmedText: String? {
        file.confirmedBytes.map { "\(Words.bytes($0)) of \(Words.bytes(file.sizeBytes)) by the storage host's word" }
    }

    /// The ordinary case, one session and no failure, is not worth a line.
    private var attemptsText: String? {
        guard let attempts, attempts.sessionsOpened > 1 || attempts.failuresInARow > 0 else { return nil }
        return "\(Words.count(attempts.sessionsOpened, "session")) opened, "
            + "\(Words.count(attempts.failuresInARow, "failure")) in a row"
    }
}

extension PathStory.Event {
    fileprivate var line: String { "\(at)  \(note)" }
}

extension PathStory.ReceiptEntry {
    fileprivate var text: String {
        let check = md5Confirmed ? "size and MD5 agree" : "size agrees, MD5 was not told"
        return "\(adopted ? "found on the table" : "delivered") \(deliveredAt), \(check), \(uri)"
    }
}
