import MappingConfig
import SQLiteQueue
import SyncCore

/// What `receipts --verify` found: docs/schemas/verification.json.
struct VerificationReport: Encodable {
    let since: String?
    private(set) var chain = Chain()
    private(set) var files = Files()
    var tables: [Table] = []
    /// Why Redivis was not asked.
    private(set) var notAsked: String?
    /// What is wrong, as far as it is named.
    private(set) var problems: [Problem] = []
    /// How much is wrong.
    private(set) var problemCount = 0

    /// Named, of however many there are.
    private static let named = 100

    enum CodingKeys: String, CodingKey {
        case since, chain, files, tables, problems
        case notAsked = "not_asked"
        case problemCount = "problem_count"
    }

    struct Chain: Encodable {
        fileprivate(set) var receipts = 0
        fileprivate(set) var fileLines = 0
        /// The number of the last receipt.
        fileprivate(set) var last: Int64 = 0
        fileprivate(set) var lastHash: String?
        fileprivate(set) var isWhole = true
        /// Each copy by itself, for people.
        fileprivate(set) var isWholeInDatabase = true
        fileprivate(set) var isWholeInFile = true

        enum CodingKeys: String, CodingKey {
            case receipts, last
            case fileLines = "file_lines"
            case lastHash = "last_hash"
            case isWhole = "is_whole"
        }
    }

    struct Files: Encodable {
        fileprivate(set) var same = 0
        fileprivate(set) var changed = 0
        fileprivate(set) var gone = 0
        fileprivate(set) var unmapped = 0
        fileprivate(set) var unreadable = 0
        fileprivate(set) var bytesRead: Int64 = 0
        /// The first ones that are not the same.
        fileprivate(set) var examples: [Example] = []

        enum CodingKeys: String, CodingKey {
            case same, changed, gone, unmapped, unreadable, examples
            case bytesRead = "bytes_read"
        }
    }

    struct Example: Encodable {
        let receipt: Int64
        let state: String
        let mapping: String
        let path: String
        let pathBase64: String?

        enum CodingKeys: String, CodingKey {
            case receipt, state, mapping, path
            case pathBase64 = "path_base64"
        }
    }

    struct Table: Encodable {
        let table: String
        fileprivate(set) var receipts = 0
        private(set) var proven = 0
        private(set) var md5Agrees = 0
        private(set) var uploads: Int?
        private(set) var hasDraft: Bool?
        private(set) var releasedVersions: Int?
        private(set) var failure: String?
        private(set) var refusal: Failure.Kind?

        enum CodingKeys: String, CodingKey {
            case table, receipts, proven, uploads, failure
            case md5Agrees = "md5_agrees"
            case hasDraft = "has_draft"
            case releasedVersions = "released_versions"
        }

        init(table: String) {
            self.table = table
        }

        mutating func listed(_ uploads: Int, draft: Bool, released: Int) {
            (self.uploads, hasDraft, releasedVersions) = (uploads, draft, released)
        }

        mutating func fail(_ trouble: Failure) {
            (failure, refusal) = (trouble.explained, trouble.kind)
        }

        fileprivate mutating func take(_ verdict: UploadVerdict) {
            if verdict.problems.isEmpty { proven += 1 }
            if verdict.agreesInMD5 { md5Agrees += 1 }
        }
    }

    struct Problem: Encodable {
        /// The receipt's number; `nil` where it is the chain's problem.
        let receipt: Int64?
        let mapping: String?
        let path: String?
        let pathBase64: String?
        let problem: String

        enum CodingKeys: String, CodingKey {
            case receipt, mapping, path, problem
            case pathBase64 = "path_base64"
        }

        fileprivate init(_ problem: String, receipt: Int64? = nil) {
            self.receipt = receipt
            (mapping, path, pathBase64) = (nil, nil, nil)
            self.problem = problem
        }

        fileprivate init(_ problem: String, _ record: ReceiptRecord) {
            let text = PathText(record.path.bytes)
            receipt = record.sequence
            mapping = record.mapping.value
            (path, pathBase64) = (text.text, text.base64)
            self.problem = problem
        }

        var line: String {
            switch (receipt, mapping, path) {
            case (let receipt?, let mapping?, let path?): "receipt \(receipt): \(mapping): \(path): \(problem)"
            case (let receipt?, _, _): "receipt \(receipt): \(problem)"
            case (nil, _, _): problem
            }
        }
    }

    init(since: Timestamp?) {
        self.since = since.map(Words.isoTime)
    }

    // MARK: Findings

    mutating func take(_ audit: ChainAudit) {
        chain.receipts = audit.receipts
        chain.fileLines = audit.fileLines
        chain.last = audit.end.sequence
        chain.lastHash = audit.end.sequence > 0 ? audit.end.hash.hex : nil
        chain.isWhole = audit.problems.isEmpty
        for problem in audit.problems {
            switch problem {
            case .database: chain.isWholeInDatabase = false
            case .line, .missing, .torn, .noFile: chain.isWholeInFile = false
            }
            add(Problem(problem.description))
        }
    }

    mutating func note(_ problem: TokenProblem) {
        notAsked = problem.description
        switch problem {
        case .none: break
        case .unreadable, .exposed, .malformed: add(Problem(problem.description))
        }
    }

    mutating func noteUnreadable(_ receipt: Int64) {
        add(Problem("it is not written as receipts are, so nothing can be held against it", receipt: receipt))
    }

    mutating func note(_ verdict: FileVerdict, bytesRead: Int64, of receipt: ReceiptRecord) {
        files.bytesRead = files.bytesRead.addingReportingOverflow(bytesRead).partialValue
        switch verdict {
        case .same: files.same += 1
        case .changed:
            files.changed += 1
            example("changed", receipt)
        case .gone:
            files.gone += 1
            example("gone", receipt)
        case .unmapped: files.unmapped += 1
        case .unreadable(let reason):
            files.unreadable += 1
            add(Problem("the file cannot be compared: \(reason)", receipt))
        }
    }

    private mutating func example(_ state: String, _ receipt: ReceiptRecord) {
        guard files.examples.count < Self.named else { return }
        let path = PathText(receipt.path.bytes)
        files.examples.append(
            Example(
                receipt: receipt.sequence, state: state, mapping: receipt.mapping.value, path: path.text,
                pathBase64: path.base64))
    }

    mutating func count(_ receipt: ReceiptRecord) {
        guard let index = tables.firstIndex(where: { $0.table == receipt.table.value }) else { return }
        tables[index].receipts += 1
    }

    func wasListed(_ table: TableKey) -> Bool {
        tables.first { $0.table == table.value }?.uploads != nil
    }

    mutating func note(_ verdict: UploadVerdict, of receipt: ReceiptRecord) {
        guard let index = tables.firstIndex(where: { $0.table == receipt.table.value }) else { return }
        tables[index].take(verdict)
        for problem in verdict.problems { add(Problem(problem, receipt)) }
    }

    private mutating func add(_ problem: Problem) {
        problemCount += 1
        if problems.count < Self.named { problems.append(problem) }
    }

    // MARK: The end

    /// `nil` where all that could be asked is proven.
    var status: ExitStatus? {
        let refusals = tables.compactMap(\.refusal).map(ExitStatus.init)
        if problemCount > 0 { return .somethingLeft }
        if refusals.contains(.noToken) { return .noToken }
        if refusals.isEmpty { return nil }
        return refusals.allSatisfy { $0 == .outOfReach } ? .outOfReach : .somethingLeft
    }

    /// For stderr.
    var told: [String] {
        let unnamed = problemCount - problems.count
        return problems.map(\.line) + (unnamed > 0 ? ["… and \(Words.grouped(unnamed)) more"] : [])
            + tables.compactMap { table in table.failure.map { "\(table.table): \($0)" } }
    }
}
