/// What `doctor` found: docs/schemas/doctor.json.
struct DoctorReport: Encodable {
    private(set) var checks: [DoctorCheck] = []
    private(set) var verdict = DoctorCheck.Verdict.ok

    mutating func add(_ found: [DoctorCheck]) {
        checks += found
        verdict = checks.map(\.verdict).max() ?? .ok
    }

    /// For stderr: the problems alone, since warnings end nothing.
    var told: [String] {
        checks.filter { $0.verdict == .problem }.map { check in
            let subject = [check.subject.label, check.mapping].compactMap { $0 }.joined(separator: " ")
            return "\(subject): \([check.finding, check.remedy].compactMap { $0 }.joined(separator: "; "))"
        }
    }

    /// The last line.
    var summary: String {
        let counts = [
            (count(of: .problem), "problem"), (count(of: .warning), "warning"),
        ].filter { $0.0 > 0 }.map { Words.count($0.0, $0.1) }
        return counts.isEmpty ? "everything is well" : counts.joined(separator: ", ")
    }

    private func count(of verdict: DoctorCheck.Verdict) -> Int { checks.count { $0.verdict == verdict } }
}

/// Writes checks for people as they are found: some take seconds.
struct DoctorText {
    private var sheet: Sheet
    private var group: DoctorSubject.Group?
    private var written = 0

    static let labelWidth = 19

    init(_ style: TextStyle) {
        sheet = Sheet(style, labelWidth: Self.labelWidth)
    }

    /// The lines of these checks.
    mutating func lines(of checks: [DoctorCheck]) -> [String] {
        for check in checks { add(check) }
        return taken()
    }

    mutating func lines(of report: DoctorReport) -> [String] {
        sheet.gap()
        sheet.heading(report.summary, mark: report.verdict.mark)
        return taken()
    }

    private mutating func taken() -> [String] {
        defer { written = sheet.lines.count }
        return Array(sheet.lines[written...])
    }

    private mutating func add(_ check: DoctorCheck) {
        if check.subject.group != group {
            if group != nil { sheet.gap() }
            sheet.heading(check.subject.group.rawValue)
            group = check.subject.group
        }
        let finding = [check.mapping, check.finding].compactMap { $0 }.joined(separator: ": ")
        sheet.field(check.subject.label, finding, mark: check.verdict.mark)
        if let remedy = check.remedy { sheet.note(remedy, mark: ("→", check.verdict.mark.tint)) }
    }
}

extension DoctorCheck.Verdict {
    var mark: (text: String, tint: TextStyle.Tint) {
        switch self {
        case .ok: ("✓", .good)
        case .warning: ("!", .pending)
        case .problem: ("✗", .bad)
        }
    }
}
