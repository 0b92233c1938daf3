import SyncCore

/// Values that tests are made of: plain, and the same every time.
enum Sample {
    static let granule: Int64 = 256 << 10
    /// Two whole granules and a bit: three chunks of one granule.
    static let size: Int64 = 600 << 10
    static let startWall: Int64 = 1_750_000_000_000
    static let key = TableKey("demo_org.weather_stations:ab12.readings:9xyz")
    static let version = VersionTag(major: 1, minor: 0)

    static let table = TableReference(
        owner: "demo_org", dataset: .init(name: "weather_stations", id: "ab12"),
        table: .init(name: "readings", id: "9xyz"))

    static let mapping: MappingID = {
        guard let id = MappingID("weather") else { preconditionFailure("a plain word is a mapping id") }
        return id
    }()

    static let path: RelativePath = {
        guard let path = RelativePath("2025/june.csv") else { preconditionFailure("a plain path is a path") }
        return path
    }()

    static func digest(_ byte: UInt8, count: Int = 32) -> Digest { Digest(bytes: Array(repeating: byte, count: count)) }

    static func content(_ byte: UInt8 = 1, size: Int64 = size) -> Content {
        Content(size: size, sha256: digest(byte), md5: digest(byte, count: 16))
    }

    static let name = UploadName.make(base: Array("2025/june.csv".utf8), sha256: content().sha256)

    static func observation(size: Int64 = size, inode: UInt64 = 7) -> FileObservation {
        FileObservation(device: 1, inode: inode, size: size, modified: 1, changed: 1)
    }

    /// The same file with another ctime.
    static let touched = FileObservation(device: 1, inode: 7, size: size, modified: 1, changed: 2)

    /// `seconds` after the start of the tests' time.
    static func moment(_ seconds: Int64 = 0, run: UInt64 = 1) -> Moment {
        Moment(
            wall: Timestamp(milliseconds: startWall + seconds * 1000),
            monotonic: MonotonicInstant(run: run, nanoseconds: seconds * 1_000_000_000))
    }

    static let policy = DeliveryPolicy(chunkSize: granule)

    static func context(
        at seconds: Int64 = 0, run: UInt64 = 1, jitter: Double = 1, policy: DeliveryPolicy = policy
    ) -> DecisionContext {
        DecisionContext(now: moment(seconds, run: run), jitter: jitter, table: key, policy: policy)
    }

    static func session(
        _ transport: UploadSession.Transport = .resumable, endpoint: Endpoint = .resumableUpload,
        openedAt seconds: Int64 = 0, openedAtServer: Int64? = nil
    ) -> UploadSession {
        UploadSession(
            endpoint: endpoint, transport: transport, uploadID: "upload-1",
            url: Secret("https://storage.example/session?secret=1"), openedAt: moment(seconds).wall,
            openedAtServer: openedAtServer.map { moment($0).wall })
    }

    static func prefix(_ offset: Int64) -> PrefixDigest { PrefixDigest(offset: offset, sha256: digest(2)) }

    static func progress(_ offset: Int64) -> TransferProgress {
        TransferProgress(confirmed: offset, prefix: offset > 0 ? prefix(offset) : nil, hasUnprovenBytes: false)
    }

    static let object = RegistrationSource.session(TransferredObject(session: session(), needsReportedDigest: false))

    static func attempt(_ number: Int = 1) -> PostAttempt {
        PostAttempt(number: number, newestReleased: version, begunAt: moment().wall)
    }

    static func registration(
        name: String = name, isAdopted: Bool = false, endpoint: Endpoint? = .resumableUpload,
        needsReportedDigest: Bool = false
    ) -> Registration {
        Registration(
            uri: "/uploads/1", name: name, newestReleased: version, registeredAt: moment().wall, isAdopted: isAdopted,
            endpoint: endpoint, needsReportedDigest: needsReportedDigest)
    }

    static func upload(
        _ status: RemoteUpload.Status = .completed, name: String = name, size: Int64? = size,
        md5: Digest? = content().md5
    ) -> RemoteUpload {
        RemoteUpload(uri: "/uploads/1", name: name, status: status, size: size, md5: md5)
    }

    static let receipt = Receipt(
        table: key, uploadName: name, uri: "/uploads/1", content: content(), md5Confirmed: true, isAdopted: false,
        deliveredAt: moment().wall)

    static func delay(until seconds: Int64, run: UInt64 = 1) -> Delay {
        Delay(
            until: moment(seconds, run: run).monotonic, untilWall: moment(seconds, run: run).wall, reason: "a failure")
    }

    static func delivery(
        _ state: DeliveryState, isKnown: Bool = true, size: Int64 = size, tally: Delivery.Tally = .init()
    ) -> Delivery {
        Delivery(
            id: DeliveryID(1), mapping: mapping, table: table, tableKey: key, path: path,
            observation: observation(size: size), content: isKnown ? content(size: size) : nil,
            nameBase: Array("2025/june.csv".utf8), uploadName: isKnown ? name : nil, state: state, tally: tally)
    }

    static func delivery(_ stage: Stage, isKnown: Bool = true, tally: Delivery.Tally = .init()) -> Delivery {
        delivery(.working(stage), isKnown: isKnown, tally: tally)
    }

    static func failure(_ kind: Failure.Kind, retryAfter: Duration? = nil) -> Failure {
        Failure(kind, "it went wrong", retryAfter: retryAfter)
    }
}

extension Failure.Kind {
    static let all: [Failure.Kind] = [
        .transient, .throttled, .sessionLost, .sessionRefused, .unauthorized, .forbidden, .rejected, .tooLarge,
        .conflict,
        .ambiguous, .endpointMissing, .unreadable, .sourceGone, .sourceChanged, .stateUnavailable,
    ]
}

extension Sample {
    /// One of each live stage.
    static let stages: [Stage] = [
        .pending(.fresh), .pending(.examine), .pending(.existing), .pending(.examined), .opening,
        .transferring(session(), progress(granule)), .transferring(session(.whole), .none),
        .probing(session(), progress(granule)), .concluding(session(), progress(size)),
        .lookingUp(object, .beforePost),
        .lookingUp(object, .inDoubt(attempt(), connectionEnded: moment().monotonic)),
        .posting(object, attempt()), .importing(registration()),
        .withdrawing(registration(), .importFailed("no header")),
        .withdrawing(registration(), .contentDiffers("other bytes")), .withdrawing(registration(), .sizeNeverTold),
        .withdrawing(registration(), .renamed("other.csv")),
        .reading, .lookingUp(.inline, .beforePost),
        .lookingUp(.inline, .inDoubt(attempt(), connectionEnded: moment().monotonic)), .posting(.inline, attempt()),
    ]

    /// One of each state at rest.
    static let rests: [DeliveryState] =
        [.delivered(receipt)] + holds.map { .held($0) } + parks.map { .parked($0) }
        + abandonments.map { .abandoned($0) }

    static let holds: [HoldReason] = [.changed, .tableHasOtherUploads, .equalsUpload("june.csv"), .existing]
    static let parks: [ParkReason] = [
        .importFailed("no header"), .contentDiffers("other bytes"), .rejected("413"), .sessionRefused("403"),
        .sessionsLost("410"), .unreadable("permission denied"), .nameTaken("june.csv"), .removedFromTable,
        .stateDamaged("no name"), .withdrawalRefused("403"),
    ]
    static let abandonments: [AbandonReason] = [.gone, .superseded, .ignored("exclude: *.tmp"), .forgotten]

    static var states: [DeliveryState] {
        stages.map { .working($0) } + stages.map { .waiting($0, delay(until: 60)) } + rests
    }

    /// One of each fact, in the shapes that matter.
    static let events: [DeliveryEvent] =
        [
            .resumed, .examined(content(), .alone), .examined(content(), .joined(DeliveryID(2))),
            .examined(content(), .behind(DeliveryID(2))), .examined(content(), .successor(DeliveryID(2))),
            .examined(content(), .adopts(upload())), .examined(content(), .strange(.existing)),
            .sessionOpened(session()), .sessionOpened(session(.whole)),
            .chunkAnswered(
                .stored(2 * granule), sent: granule..<2 * granule, prefix: prefix(2 * granule), serverTime: nil),
            .chunkAnswered(.stored(nil), sent: granule..<2 * granule, prefix: nil, serverTime: nil),
            .chunkAnswered(
                .finished(size: size, md5: nil), sent: granule..<size, prefix: prefix(size), serverTime: nil),
            .statusAnswered(.stored(granule), prefix: nil, serverTime: nil),
            .statusAnswered(.stored(nil), prefix: nil, serverTime: nil),
            .statusAnswered(.finished(size: nil, md5: content().md5), prefix: nil, serverTime: nil),
            .concluded(content(), isProven: true), .concluded(content(9), isProven: false),
            .registrationFound(upload(), newestReleased: version),
            .registrationAbsent(LookUpReport(begun: moment(10).monotonic, newestReleased: version)),
            .postingGated(until: moment(90).monotonic), .registered(upload(.inProgress)),
            .registered(upload(.inProgress, name: "june (1).csv")), .importReported(upload()),
            .importReported(upload(.inProgress)), .importReported(upload(.failed("no header"))),
            .importReported(upload(size: nil)), .importVanished, .registrationWithdrawn,
            .keptInstead(upload(), newestReleased: version), .uploadLost, .sourceChanged, .sourceGone,
            .sourceTouched(touched, hasSettled: true), .sourceTouched(touched, hasSettled: false),
            .sourceTouched(observation(inode: 8), hasSettled: true), .sourceMisreported("it ends early"),
            .byHand(.retryRequested), .byHand(.forgotten), .byHand(.resolved(.add)), .byHand(.resolved(.ignore)),
        ] + Failure.Kind.all.map { .effectFailed(failure($0)) }
}
