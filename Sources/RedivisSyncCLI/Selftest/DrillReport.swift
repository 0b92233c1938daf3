import SyncCore
import SystemPackage

/// The steps of the drill, in their order.
enum DrillStep: String, CaseIterable, Encodable, Sendable {
    case sandbox, agent, files, kill, restart, delivery, stop, once, judgement

    /// What is on while it lasts.
    var doing: String {
        switch self {
        case .sandbox: "starting a stand-in for Redivis"
        case .agent: "starting the agent"
        case .files: "feeding files"
        case .kill: "waiting for the middle of a transfer"
        case .restart: "starting the agent again"
        case .delivery: "waiting for everything to arrive"
        case .stop: "ending the agent"
        case .once: "looking for anything left"
        case .judgement: "comparing every byte"
        }
    }
}

/// What the drill found: docs/schemas/selftest.json.
struct DrillReport: Encodable {
    enum Verdict: String, Encodable, Sendable { case passed, failed }

    struct Step: Encodable, Sendable {
        let step: DrillStep
        let verdict: Verdict
        let finding: String
    }

    struct Problem: Encodable {
        let kind: String
        let path: String?
        let pathBase64: String?
        let finding: String

        enum CodingKeys: String, CodingKey {
            case kind, path, finding
            case pathBase64 = "path_base64"
        }

        init(_ problem: DrillJudgement.Problem) {
            let text = problem.path.map { PathText($0) }
            kind = problem.kind
            path = text?.text
            pathBase64 = text?.base64
            finding = problem.finding
        }

        /// For stderr.
        var told: String { [kind, path, finding].compactMap { $0 }.joined(separator: ": ") }
    }

    private(set) var verdict = Verdict.passed
    private(set) var steps: [Step] = []
    private(set) var problems: [Problem] = []
    /// Fed.
    private(set) var files = 0
    private(set) var bytes: Int64 = 0
    var seconds = 0.0
    /// Where it is kept, after a failure.
    private(set) var folder: String?

    mutating func add(_ step: Step) {
        steps.append(step)
        if step.verdict == .failed { verdict = .failed }
    }

    mutating func judge(_ judgement: DrillJudgement, of fed: [FedFile]) {
        files = fed.count
        bytes = fed.reduce(0) { $0 + $1.size }
        problems = judgement.problems.map { Problem($0) }
        if !problems.isEmpty { verdict = .failed }
    }

    mutating func keep(_ folder: String) { self.folder = folder }

    /// The last line.
    var summary: String {
        let whole = "\(Words.count(files, "file")), \(Words.bytes(bytes))"
        let time = "\(Words.oneDecimal(seconds)) s"
        let kept = folder.map { "; everything is kept in \($0)" } ?? ""
        switch verdict {
        case .passed: return "\(whole): every byte arrived exactly once (\(time))"
        case .failed where problems.isEmpty:
            let step = steps.first { $0.verdict == .failed }.map { " at the step \($0.step.rawValue)" } ?? ""
            return "the drill failed\(step)\(kept)"
        case .failed:
            return "not every byte arrived exactly once: \(Words.count(problems.count, "problem"))\(kept)"
        }
    }
}

/// Writes the steps for people as they happen.
struct DrillScreen: Sendable {
    let style: TextStyle
    /// Whether what is on now is shown below what was done.
    let showsRunning: Bool

    static let labelWidth = 11

    func heading(_ folder: DrillFolder) {
        var sheet = sheet
        sheet.field("folder", folder.path.string, mark: (" ", .faint))
        StandardOutput.line(sheet.text)
    }

    func begins(_ step: DrillStep) {
        guard showsRunning else { return }
        let line = "  …  " + step.rawValue.padded(to: Self.labelWidth) + step.doing
        StandardError.redraw([style.paint(line, .faint)])
    }

    func ends(_ step: DrillReport.Step) {
        clear()
        var sheet = sheet
        sheet.field(step.step.rawValue, step.finding, mark: step.verdict.mark)
        StandardOutput.line(sheet.text)
    }

    func clear() {
        if showsRunning { StandardError.redraw([]) }
    }

    func verdict(_ report: DrillReport) {
        var sheet = sheet
        sheet.gap()
        sheet.heading(report.summary, mark: report.verdict.mark)
        StandardOutput.line(sheet.text)
    }

    private var sheet: Sheet { Sheet(style, labelWidth: Self.labelWidth) }
}

extension DrillReport.Verdict {
    var mark: (text: String, tint: TextStyle.Tint) {
        switch self {
        case .passed: ("✓", .good)
        case .failed: ("✗", .bad)
        }
    }
}
