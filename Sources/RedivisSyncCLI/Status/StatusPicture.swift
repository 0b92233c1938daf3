import SQLiteQueue
import SyncCore

/// The status as people read it.
struct StatusPicture {
    let facts: StatusFacts
    let report: StatusReport
    /// Bytes per second over the last seconds, where the status is watched; else the average since each began.
    var rates: [DeliveryID: Int64] = [:]

    static let mostBars = 8

    init(_ facts: StatusFacts) {
        self.facts = facts
        report = StatusReport(facts)
    }

    /// How much is told of each mapping.
    private enum Detail: CaseIterable { case everything, brief, line }

    /// All of it.
    ///
    /// - Parameter showsProblems: where they are not listed elsewhere.
    func lines(_ style: TextStyle, showsProblems: Bool) -> [String] {
        lines(style, .everything, problems: showsProblems ? 50 : 0, room: .max)
    }

    /// For a screen with so many lines: with as much detail as fits, else cut.
    func lines(_ style: TextStyle, height: Int) -> [String] {
        var lines: [String] = []
        for detail in Detail.allCases {
            lines = self.lines(style, detail, problems: detail == .line ? 3 : 10, room: height)
            if lines.count <= height { return lines }
        }
        return Array(lines.prefix(max(height - 1, 1))) + [style.paint("… enlarge the terminal for more", .faint)]
    }

    private func lines(_ style: TextStyle, _ detail: Detail, problems limit: Int, room: Int) -> [String] {
        var sheet = Sheet(style, labelWidth: 14)
        head(&sheet, detail)
        switch detail {
        case .everything, .brief:
            for place in facts.places { mapping(place, &sheet, detail) }
            transfers(&sheet)
            if detail == .everything {
                unreleased(&sheet)
                twins(&sheet)
            }
            if limit > 0 { problems(&sheet, limit: limit) }
        case .line:
            transfers(&sheet)
            problems(&sheet, limit: limit)
            rows(&sheet, room: max(room - sheet.lines.count, 1))
        }
        return sheet.lines
    }

    // MARK: The whole

    private func head(_ sheet: inout Sheet, _ detail: Detail) {
        let count = report.problems.count
        let verdict = count == 0 ? "" : " · " + Words.count(count, "problem")
        if let agent = facts.agent {
            sheet.item(
                "●", count == 0 ? .good : .bad,
                "redivis-sync \(agent.version), running for \(Words.duration(facts.now.since(agent.startedAt)))"
                    + ", process \(agent.processID)\(verdict)", indent: 0)
        } else {
            sheet.item("○", .pending, withoutAgent + verdict, indent: 0)
        }
        guard detail == .everything else { return }
        let loaded = facts.agent?.mappingFile.loadedAt.map { loadedAt in
            // Of today the time alone, so that the line fits.
            let (text, today) = (Words.time(loadedAt), Words.time(facts.now).prefix { $0 != " " })
            return "in force since \(text.hasPrefix(today) ? String(text.dropFirst(today.count + 1)) : text)"
        }
        if let edit = facts.agent?.mappingFile.edit, edit.waits, facts.mappingFileProblems.isEmpty {
            sheet.field("mapping file", report.mappingFile.path)
            sheet.field(
                "", "edited; the one before is \(loaded ?? "in force"), until: redivis-sync plan --accept \(edit.name)",
                tint: .pending)
        } else if facts.mappingFileProblems.isEmpty {
            sheet.field("mapping file", report.mappingFile.path + (loaded.map { ", \($0)" } ?? ""))
        } else {
            sheet.field("mapping file", report.mappingFile.path)
            sheet.field("", "it has problems; the last good one is \(loaded ?? "what counts")", tint: .bad)
        }
        sheet.field("state", report.stateDirectory)
        if let watcher = facts.agent?.watcher { sheet.field("watches", Self.words(of: watcher)) }
    }

    private var withoutAgent: String {
        if facts.silence != nil { return "the agent does not answer" }
        if let holder = facts.holder {
            return "process \(holder) holds the state directory, and does not answer yet"
        }
        return "no agent runs; start it with: redivis-sync run"
    }

    private static func words(of watcher: WatcherStatus) -> String {
        var text = Words.grouped(watcher.watches)
        if let limit = watcher.limit {
            text += " of \(Words.grouped(limit))" + (watcher.limitName.map { " (\($0))" } ?? "")
        }
        return text
            + (watcher.overflows == 0
                ? ", no event lost"
                : ", events lost \(Words.count(watcher.overflows, "time")), each followed by a scan")
    }

    private func mapping(_ place: StatusFacts.Place, _ sheet: inout Sheet, _ detail: Detail) {
        let status = facts.agent?.mappings.first { $0.id == place.id }
        let state = state(of: place.id, status)
        sheet.gap()
        sheet.item("●", state.tint, "\(place.id)  \(state.word)", indent: 0)
        if detail == .everything {
            sheet.field("folder", PathText(place.folder).text)
            sheet.field("table", place.table)
        }
        sheet.field("files", parts: Self.parts(of: facts.figures.counts[place.id] ?? [:]))
        if let ready = facts.figures.oldestReady[place.id] {
            let age = Words.duration(facts.now.since(ready.since))
            sheet.field("oldest ready", "\(ready.path), \(ready.state.rawValue), settled \(age) ago")
        }
        delivered(place.id, &sheet, detail)
        if let status, detail == .everything { noticed(status, &sheet) }
        if let process = status?.alsoWatchedBy {
            sheet.field("note", "\(Neighbour.words(process)); \(Neighbour.remedy)", tint: .pending)
        }
        if let pause = facts.figures.pauses.reason(of: place.id) {
            sheet.field("paused", "no new transfer begins; \(Remedy.ending(pause, of: place.id))", tint: .pending)
        }
    }

    private func state(of mapping: MappingID, _ status: MappingStatus?) -> (word: String, tint: TextStyle.Tint) {
        guard let state = status?.state else {
            let isPaused = facts.figures.pauses.reason(of: mapping) != nil
            return isPaused ? ("paused", .pending) : (facts.agent == nil ? "not watched" : "", .faint)
        }
        return (state.rawValue, state.tint)
    }

    private static func parts(of counts: [PublicState: Int]) -> [(String, TextStyle.Tint?)] {
        let parts = PublicState.allCases.compactMap { state -> (String, TextStyle.Tint?)? in
            guard let count = counts[state], count > 0 else { return nil }
            return ("\(Words.grouped(count)) \(state.rawValue)", state.tint)
        }
        return parts.isEmpty ? [("none known yet", .faint)] : parts
    }

    private func delivered(_ mapping: MappingID, _ sheet: inout Sheet, _ detail: Detail) {
        let hour = facts.window.figures(of: mapping, within: .seconds(3600), before: facts.now)
        let day = facts.window.figures(of: mapping, within: DeliveryWindow.length, before: facts.now)
        let total = facts.figures.totals?[mapping]
        guard day.files > 0 || total.map({ $0.files > 0 }) ?? false else { return }
        var rows = [("last hour", hour.files, hour.bytes, Self.latency(hour))]
        if detail == .everything {
            rows.append(("last day", day.files, day.bytes, Self.latency(day)))
            if let total { rows.append(("in all", total.files, total.bytes, "")) }
        }
        let files = rows.map { Words.grouped($0.1).count }.max() ?? 0
        for (index, row) in rows.enumerated() {
            let noun = row.1 == 1 ? "file " : "files"
            let text =
                "\(row.0.padded(to: 9))  \(Words.grouped(row.1).paddedInFront(to: files)) \(noun)"
                + "  \(Words.bytes(row.2).paddedInFront(to: 10))\(row.3.isEmpty ? "" : "   " + row.3)"
            sheet.field(index == 0 ? "delivered" : "", text)
        }
        if facts.window.isCut, detail == .everything {
            sheet.field("", "of the newest \(Words.grouped(DeliveryWindow.mostRead)) deliveries", tint: .faint)
        }
    }

    /// Of the time from settled to delivered.
    private static func latency(_ figures: DeliveryWindow.Figures) -> String {
        guard let median = figures.median, let p95 = figures.p95 else { return "" }
        return "p50 \(Words.seconds(median))  p95 \(Words.seconds(p95))"
    }

    private func noticed(_ status: MappingStatus, _ sheet: inout Sheet) {
        if status.state == .unmounted {
            return sheet.field("noticed", "as soon as its folder is there", tint: .pending)
        }
        var parts: [String] = []
        if let mode = status.watchMode { parts.append(mode) }
        if let delay = status.worstDetectionDelay {
            parts.append(delay == .zero ? "at once" : "at the latest after \(Words.duration(delay))")
        }
        if let scan = status.lastScanAt {
            let files = status.filesKnown.map { " of \(Words.count($0, "file"))" } ?? ""
            parts.append("last scan\(files) \(Words.duration(facts.now.since(scan))) ago")
        }
        guard !parts.isEmpty else { return }
        sheet.field("noticed", parts.joined(separator: "; "))
    }

    // MARK: Transfers

    private func transfers(_ sheet: inout Sheet) {
        let transfers = facts.agent?.transfers ?? []
        guard !transfers.isEmpty else { return }
        // A line as wide as the terminal may wrap.
        let width = (sheet.style.width ?? 80) - 1
        let rate = transfers.reduce(Int64(0)) { $0 &+ (self.rate(of: $1) ?? 0) }
        sheet.gap()
        sheet.heading(Words.count(transfers.count, "transfer") + (rate > 0 ? ", \(Words.bytes(rate))/s" : ""))
        for transfer in transfers.prefix(Self.mostBars) {
            let left = transfer.total > transfer.sent ? transfer.total - transfer.sent : 0
            let seconds = self.rate(of: transfer).flatMap { $0 > 0 ? left / $0 : nil }
            sheet.drawn(
                ProgressBar(
                    path: PathBytes.words(transfer.path), sent: transfer.sent, total: transfer.total,
                    secondsLeft: seconds.flatMap { $0 < 360_000 ? $0 : nil }
                ).line(width, sheet.style))
        }
        if transfers.count > Self.mostBars {
            sheet.drawn("  … and \(Words.grouped(transfers.count - Self.mostBars)) more")
        }
    }

    private func rate(of transfer: TransferStatus) -> Int64? {
        rates[transfer.delivery] ?? transfer.bytesPerSecond(at: facts.now)
    }

    // MARK: Unreleased, problems

    private func unreleased(_ sheet: inout Sheet) {
        let tables = facts.unreleased.filter { $0.files > 0 }
        guard !tables.isEmpty else { return }
        sheet.gap()
        sheet.heading("Not released yet, as far as the tables were last listed")
        for table in tables {
            let more = table.isCut ? "more than " : ""
            let since = table.newestReleased.map { "since \($0)" } ?? "nothing was ever released"
            sheet.item(
                "·", .faint,
                "\(table.table): \(more)\(Words.count(table.files, "file")), \(Words.bytes(table.bytes)), \(since)")
        }
    }

    /// Those that still stand are problems.
    private func twins(_ sheet: inout Sheet) {
        guard report.twins.removed > 0 else { return }
        let count = report.twins.removed
        sheet.gap()
        sheet.item(
            "·", .faint,
            "\(Words.count(count, "file")) had been registered twice, since a lost request was carried out too late: the "
                + "second \(count == 1 ? "upload was" : "uploads were") taken off again")
    }

    private func problems(_ sheet: inout Sheet, limit: Int) {
        guard !report.problems.isEmpty else { return }
        sheet.gap()
        sheet.heading("Problems")
        for problem in report.problems.prefix(limit) { sheet.item("✗", .bad, problem.line) }
        if report.problems.count > limit {
            sheet.drawn("  … and \(Words.grouped(report.problems.count - limit)) more: redivis-sync status")
        }
    }

    // MARK: One line a mapping

    private func rows(_ sheet: inout Sheet, room: Int) {
        sheet.gap()
        let widest = min(facts.places.map { DisplayWidth.of($0.id.value) }.max() ?? 0, 20)
        let left = max((sheet.style.width ?? 80) - 1 - widest - 17, 8)
        let shown = facts.places.count < room ? facts.places.count : max(room - 2, 0)
        for place in facts.places.prefix(shown) {
            let status = facts.agent?.mappings.first { $0.id == place.id }
            let state = state(of: place.id, status)
            let counts = Self.parts(of: facts.figures.counts[place.id] ?? [:]).map(\.0).joined(separator: " · ")
            let name = DisplayWidth.keepingStart(place.id.value, 20).padded(to: widest)
            sheet.drawn(
                sheet.style.paint("●", state.tint) + " \(name)  \(state.word.padded(to: 11))  "
                    + DisplayWidth.keepingStart(counts, left))
        }
        if shown < facts.places.count {
            sheet.drawn("  … and \(Words.count(facts.places.count - shown, "more mapping", "more mappings"))")
        }
    }
}

extension MappingState {
    var tint: TextStyle.Tint {
        switch self {
        case .watching: .good
        case .polling: .good
        case .scanning: .busy
        case .unmounted, .blocked: .bad
        case .paused: .pending
        }
    }
}

extension PathBytes {
    /// Safe for a terminal.
    static func words(_ path: PathBytes) -> String { RelativePath.printable(path.bytes) }
}

extension Words {
    /// With a tenth below ten seconds: `0.4 s`, `31 s`, `5 min 3 s`
    static func seconds(_ duration: Duration) -> String {
        duration < .seconds(10) ? "\(oneDecimal(duration / .seconds(1))) s" : Words.duration(duration)
    }
}
