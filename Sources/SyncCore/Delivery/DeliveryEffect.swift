/// What is to be done: orders, in the imperative. Each is carried out only after the decision that gave it was saved,
/// but for those that are `repeatable`.
public enum DeliveryEffect: Hashable, Sendable {
    /// Read the whole file, then ask the queue how its content stands. → `examined`
    case examine(Admission)
    /// See that the file looks as it did when its content was read, and ask the queue how that stands. → `examined`
    case compare(Admission)
    /// → `sessionOpened`
    case openSession(EndpointChoice)
    /// Prove and re-hash what was sent before, then send. → `chunkAnswered`, `sourceChanged`
    case sendChunk(UploadSession, Range<Int64>, proving: PrefixDigest?)
    /// → `statusAnswered`
    case queryStatus(UploadSession)
    /// Settle what the sent bytes are. → `concluded`, `sourceChanged`
    case conclude(TransferProgress)
    /// → `registrationFound`, `registrationAbsent`
    case lookUp(name: String, LookUp)
    /// → `registered`
    case post(RegistrationSource, name: String, PostAttempt)
    /// The table's follower reports. → `importReported`
    case followImport(Registration)
    /// → `registrationWithdrawn`
    case withdraw(Registration)
    /// The path settles anew; this row's part ends.
    case resettle
}

extension DeliveryEffect {
    /// Whether it may be carried out before the decision that ordered it is saved, since it changes nothing that a
    /// restart would have to know of: it only reads or asks, or leaves an unused session behind, which dies by itself.
    /// A restart from the last saved state comes to the same order again. The save that follows it is spared one
    /// before it: for a small file these are half of all.
    public var isRepeatable: Bool {
        switch self {
        case .openSession, .queryStatus, .conclude, .compare, .lookUp(_, .beforePost): true
        case .examine, .sendChunk, .lookUp(_, .inDoubt), .post, .followImport, .withdraw, .resettle: false
        }
    }
}

extension Delivery {
    /// Whether what it has ordered takes one of the places of `uploads`. What goes inside its registration takes it when
    /// it is read: whoever waited for it with the registration saved as begun, and was ended, would be in doubt.
    public func takesPlace(for effect: DeliveryEffect) -> Bool {
        switch effect {
        case .sendChunk: true
        case .conclude: state == .working(.reading) && size > Self.requestSized
        case .examine, .compare, .openSession, .queryStatus, .lookUp, .post, .followImport, .withdraw, .resettle: false
        }
    }

    /// Up to so many bytes a registration with its file is a request like others: it takes the time of the answer, not
    /// that of its bytes, even where a megabit a second is all there is.
    static let requestSized: Int64 = 64 << 10
}

/// Which endpoint opens the next session.
public enum EndpointChoice: Hashable, Sendable {
    /// What the mapping fixes, or what is remembered of this API.
    case preferred
    /// `temp_uploads`, because what came of the documented one was refused.
    case other
}

/// What a decision says: the new value of the delivery, the line for its journal, and what to do next.
public struct Decision: Hashable, Sendable {
    public var delivery: Delivery
    /// One line for people, without secrets.
    public var note: String
    public var effect: DeliveryEffect?
    /// Something learned about the API, to be remembered with this decision.
    public var endpointFact: EndpointFact?
    /// The row that this one waits for: the queue has it taken up again when that one has ended, or is known.
    public var awaits: DeliveryID?

    public init(_ delivery: Delivery, _ note: String, effect: DeliveryEffect? = nil, endpointFact: EndpointFact? = nil)
    {
        self.delivery = delivery
        self.note = note
        self.effect = effect
        self.endpointFact = endpointFact
    }

    /// Whether a registration of this delivery begins with it, the first time.
    public var beginsPosting: Bool {
        switch delivery.state.stage {
        case .posting(_, let attempt): attempt.number == 1
        case .pending, .opening, .reading, .transferring, .probing, .concluding, .lookingUp, .importing, .withdrawing,
            nil:
            false
        }
    }

    /// Whether its content is taken for new, to be posted.
    public var leadsToPosting: Bool {
        switch delivery.state.stage {
        case .opening, .reading, .transferring, .probing, .concluding, .lookingUp(_, .beforePost): true
        case .posting: beginsPosting
        case .pending, .lookingUp(_, .inDoubt), .importing, .withdrawing, nil: false
        }
    }

    /// Whether it may be saved together with the next one. Not what leads away from a registration that was begun: as
    /// long as that is what is saved, a restart would be in doubt.
    public func canWait(over saved: Delivery) -> Bool {
        guard endpointFact == nil, saved.state.stage?.mayBeRegistered != true else { return false }
        return effect?.isRepeatable ?? false
    }

    /// The same, with what was decided since the last save in its journal line.
    public func following(_ unsaved: [Decision]) -> Decision {
        var whole = self
        whole.note = (unsaved.map(\.note) + [note]).joined(separator: "; ")
        return whole
    }
}

/// What is remembered per API about its two endpoints, for `endpoint: auto`.
public enum EndpointFact: String, Codable, Sendable {
    case documentedWorks
    case documentedRefused
}

/// Time, chance and policy, handed in as values.
public struct DecisionContext: Hashable, Sendable {
    public let now: Moment
    /// Drawn evenly from 0..<1.
    public let jitter: Double
    /// What Redivis calls the delivery's table; `nil` where it has not told yet: then nothing is settled that needs it.
    public let table: TableKey?
    public let policy: DeliveryPolicy

    public init(now: Moment, jitter: Double, table: TableKey?, policy: DeliveryPolicy) {
        self.now = now
        self.jitter = jitter
        self.table = table
        self.policy = policy
    }
}

/// What the mapping and the agent's settings say, as far as decisions need it.
public struct DeliveryPolicy: Hashable, Sendable {
    public var chunkSize: Int64
    /// Files of up to so many bytes go inside the registration request; 0: none.
    public var inlineLimit: Int64
    public var registrationDoubt: Duration
    public var verification: Verification
    public var endpoint: EndpointPreference
    /// What is remembered of this API.
    public var endpointFact: EndpointFact?
    public var onChange: ChangePolicy
    public var retry: RetryPolicy
    /// Whether a delivery that Redivis refuses waits as long as only a person may take to lift that. Not so where the
    /// whole table rests meanwhile: it then goes on as soon as the table does.
    public var waitsOutRefusals: Bool
    /// How long a file that is not at its path any more, and was sent in part, may take to be found at another one.
    public var moveTime: Duration = .seconds(90)

    public init(
        chunkSize: Int64 = 64 << 20, inlineLimit: Int64 = 0, registrationDoubt: Duration = .seconds(120),
        verification: Verification = .md5, endpoint: EndpointPreference = .auto, endpointFact: EndpointFact? = nil,
        onChange: ChangePolicy = .hold,
        retry: RetryPolicy = RetryPolicy(), waitsOutRefusals: Bool = true
    ) {
        self.chunkSize = chunkSize
        self.inlineLimit = inlineLimit
        self.registrationDoubt = registrationDoubt
        self.verification = verification
        self.endpoint = endpoint
        self.endpointFact = endpointFact
        self.onChange = onChange
        self.retry = retry
        self.waitsOutRefusals = waitsOutRefusals
    }
}
