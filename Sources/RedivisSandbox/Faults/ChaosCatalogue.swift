/// What chaos draws from: for each class of requests its faults, with the share of the requests that each hits.
///
/// In an action's text `<LATE>`, `<SILENT>` and `<A-B>` stand for a number that is drawn: of milliseconds up to
/// ``SandboxChaos/lateMilliseconds`` and ``SandboxChaos/silentMilliseconds``, and from A to B; `<A-B>k` is that many
/// times 262,144 bytes.
enum ChaosCatalogue {
    /// The number of parts of which a request is: an entry of 100 parts hits one request in 100.
    static let whole = 10_000

    struct Entry: Sendable {
        var parts: Int
        var template: String
        var makesTwins: Bool { template == "again=second" }
        /// By the documentation a request that is answered so was not carried out, and a client posts again.
        var lies: Bool { template == "429,after" }

        init(_ parts: Int, _ template: String) {
            self.parts = parts
            self.template = template
        }

        func text(_ chaos: SandboxChaos, _ dice: inout ChaosPlan.Dice) -> String {
            guard let opening = template.firstIndex(of: "<"), let closing = template.lastIndex(of: ">") else {
                return template
            }
            let inside = template[template.index(after: opening)..<closing]
            var after = template[template.index(after: closing)...]
            let range: ClosedRange<Int64>
            switch inside {
            case "LATE": range = 50...Int64(max(51, chaos.lateMilliseconds))
            case "SILENT": range = 500...Int64(max(501, chaos.silentMilliseconds))
            default:
                let ends = inside.split(separator: "-").compactMap { ContentRange.digits($0) }
                range = ends.count == 2 && ends[0] <= ends[1] ? ends[0]...ends[1] : 1...1
            }
            var number = range.lowerBound + Int64(dice.below(UInt64(range.upperBound - range.lowerBound + 1)))
            if after.hasPrefix("k") {
                number *= ResumableSession.granularity
                after = after.dropFirst()
            }
            return "\(template[..<opening])\(number)\(after)"
        }
    }

    static func entries(_ request: RequestClass) -> [Entry] { table[request] ?? [] }

    /// All templates, for whoever wants to know what there is.
    static var templates: Set<String> { Set(table.values.joined().map(\.template)) }

    private static let table = Dictionary(
        uniqueKeysWithValues: RequestClass.allCases.map { ($0, draw(for: $0)) })

    private static func draw(for request: RequestClass) -> [Entry] {
        switch request {
        // Most drafts have uploads, so that it seldom can happen.
        case .getDataset, .getTable: everywhere + ofTheAPI + [Entry(200, "close-draft")]
        case .headDataset, .listVersions, .getVersion, .headVersion, .listTables, .headTable, .getUpload, .headUpload:
            everywhere + ofTheAPI
        case .listUploads: everywhere + ofTheAPI + lists
        case .postUploads: (everywhere + everywhere).filter { !$0.lies } + ofTheAPI + late(300) + registrations
        case .postVersions: everywhere + late(600) + [Entry(2000, "close-draft,after")]
        case .openSession, .tempUploads: everywhere + ofTheAPI + late(100) + openings
        case .deleteUpload: everywhere + everywhere + late(300)
        case .startSession: everywhere + starts
        case .putChunk: everywhere + sessions + deadSessions + chunks
        case .queryStatus: everywhere + sessions + deadSessions
        case .putWhole: everywhere + [Entry(200, "reset-at=<0-3000000>")]
        case .deleteSession: everywhere
        // Nothing that a delivery needs.
        case .deleteVersion, .release, .postTables, .patchTable, .deleteTable, .unknown: []
        }
    }

    /// Trouble of any network and any server, about one request in ten.
    private static let everywhere: [Entry] = [
        Entry(20, "408"), Entry(20, "425"), Entry(20, "429"), Entry(10, "429,after"),
        Entry(20, "429,retry-after=1"), Entry(10, "429,retry-after={date+1}"), Entry(10, "429,retry-after=-5"),
        Entry(40, "500"), Entry(20, "500,after"), Entry(40, "502"), Entry(30, "502,after"),
        Entry(40, "503"), Entry(20, "503,after"), Entry(20, "503,retry-after=1"),
        Entry(10, "503,retry-after={date+1}"), Entry(10, "503,retry-after={epoch+1}"),
        Entry(5, "503,retry-after=1000000000000000"), Entry(5, "503,retry-after=-1"),
        Entry(5, "503,retry-after=Wed, 21 Oct 2015 07:28:00 GMT"), Entry(5, "503,retry-after=soon"),
        Entry(30, "504"), Entry(30, "504,after"),
        Entry(30, "portal"), Entry(20, "blank"), Entry(20, "blank,after"),
        Entry(3, "redirect=301"), Entry(3, "redirect=302"), Entry(3, "redirect=303"), Entry(3, "redirect=307"),
        Entry(3, "redirect=308"),
        Entry(80, "reset"), Entry(100, "lose-reply"), Entry(60, "delay=<50-1200>"), Entry(60, "wait=<50-800>"),
        Entry(15, "never-read=<SILENT>"), Entry(15, "never-answer=<SILENT>"), Entry(15, "never-answer=<SILENT>,after"),
        Entry(5, "endless-body"), Entry(5, "endless-body,after"), Entry(5, "endless-headers"),
        Entry(5, "endless-headers,after"), Entry(10, "trickle=<1-5>"),
    ]

    /// Refusals that are not meant. They may end a run or park a file, so they are rare.
    private static let ofTheAPI: [Entry] = [
        Entry(5, "400"), Entry(6, "401"), Entry(6, "403"), Entry(6, "404"), Entry(3, "409"), Entry(3, "410"),
        Entry(3, "413"), Entry(3, "422"), Entry(3, "499"), Entry(5, "release"), Entry(5, "release,after"),
    ]

    private static let lists: [Entry] = [Entry(500, "lag=<LATE>"), Entry(10, "close-draft")]

    private static let registrations: [Entry] = [
        Entry(40, "refuse-id"), Entry(60, "import-failed=No variables found"), Entry(60, "wrong-size"),
        Entry(60, "wrong-md5"), Entry(15, "no-size"), Entry(60, "import-stuck=<1000-6000>"),
        Entry(60, "again=rename"), Entry(80, "again=refuse"), Entry(60, "again=refuse-id"), Entry(60, "again=second"),
        Entry(60, "release"), Entry(60, "release,after"),
    ]

    private static let openings: [Entry] = [Entry(30, "405"), Entry(20, "release"), Entry(20, "close-draft")]

    private static let starts: [Entry] = [
        Entry(20, "400"), Entry(20, "401"), Entry(20, "403"), Entry(20, "404"), Entry(20, "410"), Entry(20, "499"),
    ]

    private static let sessions: [Entry] = [
        Entry(150, "no-range"), Entry(150, "override-200"), Entry(60, "plain-200"), Entry(5, "release"),
    ]

    /// What costs a session, and with it all the bytes that it had: together at about one request in a hundred.
    private static let deadSessions: [Entry] = [
        Entry(8, "404"), Entry(8, "410"), Entry(8, "499"), Entry(8, "404,once"), Entry(8, "410,once"),
        Entry(8, "finish-early"), Entry(8, "finish-more=<1-1000000>"), Entry(8, "ack-more=<1-40>k"),
        Entry(8, "lose-stored=<1-16>k"), Entry(5, "400,once"), Entry(5, "401,once"), Entry(5, "403,once"),
        Entry(5, "411,once"), Entry(5, "412,once"), Entry(5, "413,once"), Entry(5, "416,once"), Entry(5, "499,once"),
    ]

    private static let chunks: [Entry] = [
        // As Google keeps them; what a client does after an odd number of bytes is its own affair.
        Entry(250, "keep=<0-31>k"), Entry(50, "keep=0"),
        Entry(150, "reset-at=<0-4000000>"), Entry(20, "gap"),
    ]

    private static func late(_ parts: Int) -> [Entry] { [Entry(parts, "late=<LATE>")] }
}
