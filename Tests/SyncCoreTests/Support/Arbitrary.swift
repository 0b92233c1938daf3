import SyncCore
import SyncTestSupport

/// Rows and facts as nobody would write them on purpose: what a damaged database or a strange server may hand in.
struct Arbitrary {
    var random: SeededRandom

    mutating func flag() -> Bool { pick([true, false]) }

    mutating func pick<T>(_ values: [T]) -> T {
        values[Int.random(in: 0..<values.count, using: &random)]
    }

    mutating func number() -> Int64 {
        switch Int.random(in: 0..<8, using: &random) {
        case 0: .min
        case 1: .max
        case 2: -1
        case 3: 0
        case 4: .max - Int64.random(in: 0...(1 << 19), using: &random)
        case 5: Int64.random(in: 0...(1 << 20), using: &random)
        case 6: Int64.random(in: .min ... .max, using: &random)
        default: pick([Sample.granule, 2 * Sample.granule, Sample.size])
        }
    }

    mutating func count() -> Int { pick([0, 0, 1, 2, 4, 8, -1, .max, .min]) }
    mutating func wall() -> Timestamp { Timestamp(milliseconds: pick([Sample.startWall, number()])) }
    mutating func instant() -> MonotonicInstant {
        MonotonicInstant(run: pick([1, 1, 2, .max]), nanoseconds: pick([0, 1_000_000_000, number()]))
    }
    mutating func digest() -> Digest { pick([Sample.digest(1), Sample.digest(1, count: 16), Digest(bytes: [])]) }
    mutating func content() -> Content {
        pick([Sample.content(), Content(size: number(), sha256: digest(), md5: digest())])
    }
    mutating func prefix() -> PrefixDigest? { flag() ? PrefixDigest(offset: number(), sha256: digest()) : nil }
    mutating func version() -> VersionTag? {
        pick([nil, VersionTag(major: pick([0, 1, .max]), minor: pick([0, 7]))])
    }
    mutating func text() -> String { pick(["", "june.csv", Sample.name, "\u{0}\n", "é/../.."]) }

    mutating func session() -> UploadSession {
        UploadSession(
            endpoint: pick(Endpoint.allCases), transport: pick([.resumable, .whole]), uploadID: text(),
            url: Secret(text()), openedAt: wall(), openedAtServer: flag() ? wall() : nil)
    }

    mutating func progress() -> TransferProgress {
        TransferProgress(
            confirmed: number(), prefix: prefix(), hasUnprovenBytes: flag(), storedMD5: flag() ? digest() : nil)
    }

    mutating func object() -> TransferredObject { TransferredObject(session: session(), needsReportedDigest: flag()) }
    mutating func attempt() -> PostAttempt {
        PostAttempt(number: count(), newestReleased: version(), begunAt: wall())
    }

    mutating func source() -> RegistrationSource { flag() ? .session(object()) : .inline }
    mutating func lookUp() -> LookUp {
        flag() ? .beforePost : .inDoubt(attempt(), connectionEnded: instant())
    }
    mutating func registration() -> Registration {
        Registration(
            uri: text(), name: text(), newestReleased: version(), registeredAt: wall(), isAdopted: flag(),
            endpoint: pick([nil, .resumableUpload, .tempUploads]), needsReportedDigest: flag(),
            incompleteReports: count())
    }
    mutating func upload() -> RemoteUpload {
        RemoteUpload(
            uri: text(), name: text(), status: pick([.inProgress, .completed, .failed(text())]),
            size: flag() ? number() : nil, md5: flag() ? digest() : nil)
    }

    mutating func stage() -> Stage {
        switch Int.random(in: 0..<10, using: &random) {
        case 0: .pending(pick([.fresh, .examine, .existing, .examined]))
        case 1: .opening
        case 2: .transferring(session(), progress())
        case 3: .probing(session(), progress())
        case 4: .concluding(session(), progress())
        case 5: .lookingUp(source(), lookUp())
        case 6: .posting(source(), attempt())
        case 7: .importing(registration())
        case 8: .reading
        default:
            .withdrawing(
                registration(),
                pick([.importFailed(text()), .contentDiffers(text()), .sizeNeverTold, .renamed(text())]))
        }
    }

    mutating func state() -> DeliveryState {
        switch Int.random(in: 0..<6, using: &random) {
        case 0: pick(Sample.rests)
        case 1: .waiting(stage(), Delay(until: instant(), untilWall: wall(), reason: text()))
        default: .working(stage())
        }
    }

    mutating func reply() -> TransferReply {
        flag()
            ? .stored(flag() ? number() : nil)
            : .finished(size: flag() ? number() : nil, md5: flag() ? digest() : nil)
    }

    mutating func standing() -> Standing {
        pick([
            .alone, .joined(DeliveryID(number())), .behind(DeliveryID(number())), .successor(DeliveryID(number())),
            .adopts(upload()), .strange(pick(Sample.holds)),
        ])
    }

    mutating func event() -> DeliveryEvent {
        let ends = [number(), number()].sorted()
        let serverTime = flag() ? wall() : nil
        switch Int.random(in: 0..<12, using: &random) {
        case 0: return .resumed
        case 1: return .examined(content(), standing())
        case 2: return .sessionOpened(session())
        case 3: return .chunkAnswered(reply(), sent: ends[0]..<ends[1], prefix: prefix(), serverTime: serverTime)
        case 4: return .statusAnswered(reply(), prefix: prefix(), serverTime: serverTime)
        case 5: return .concluded(content(), isProven: flag())
        case 6: return .registrationFound(upload(), newestReleased: version())
        case 7: return .registrationAbsent(LookUpReport(begun: instant(), newestReleased: version()))
        case 8: return .registered(upload())
        case 9: return .importReported(upload())
        case 10: return .effectFailed(failure())
        default: return pick(Sample.events + [.postingGated(until: instant())])
        }
    }

    mutating func failure() -> Failure {
        Failure(
            pick(Failure.Kind.all), scope: pick([.delivery, .destination, .agent]), text(), hint: pick([nil, text()]),
            retryAfter: pick([nil, .seconds(-5), .seconds(number()), .milliseconds(number())]))
    }

    mutating func tally() -> Delivery.Tally {
        var tally = Delivery.Tally()
        tally.failures = count()
        tally.sessionsLost = count()
        tally.sessionsRefused = count()
        tally.resends = count()
        tally.resynchronisations = count()
        tally.triedOtherEndpoint = flag()
        tally.sessionsOpened = count()
        tally.leftInline = pick([nil, .refused, .lost])
        return tally
    }

    mutating func delivery() -> Delivery {
        let observed = FileObservation(device: 0, inode: 0, size: number(), modified: number(), changed: number())
        return Delivery(
            id: DeliveryID(number()), mapping: Sample.mapping, table: Sample.table,
            tableKey: flag() ? Sample.key : nil, path: Sample.path, observation: observed,
            content: flag() ? content() : nil, nameBase: pick([[], Array(text().utf8), [0xFF, 0]]),
            uploadName: flag() ? text() : nil, state: state(), tally: tally(), revision: number())
    }

    mutating func context() -> DecisionContext {
        var policy = DeliveryPolicy(
            chunkSize: number(), inlineLimit: number(), registrationDoubt: .milliseconds(number()),
            verification: pick(Verification.allCases),
            endpoint: pick([.auto, .fixed(.resumableUpload), .fixed(.tempUploads)]),
            endpointFact: pick([nil, .documentedWorks, .documentedRefused]), onChange: pick(ChangePolicy.allCases))
        policy.retry = RetryPolicy()
        return DecisionContext(
            now: Moment(wall: wall(), monotonic: instant()), jitter: pick([0, 0.5, 0.999]), table: Sample.key,
            policy: policy)
    }
}
