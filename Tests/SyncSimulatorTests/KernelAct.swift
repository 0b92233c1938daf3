import Glibc
import SyncTestSupport

@testable import FolderWatch

/// Something that a program does in a folder, by relative paths.
enum KernelAct {
    case makeDirectory(String)
    case write(String, Int)
    case append(String)
    case rename(String, String)
    case exchange(String, String)
    case link(String, String)
    case makeLink(String, String)
    case unlink(String)
    case removeDirectory(String)
    case open(String)
    case close
    case watch(String)
    case unwatch(Int32)

    static func draw(_ random: inout SeededRandom) -> KernelAct {
        func name(_ range: ClosedRange<Int>, _ random: inout SeededRandom) -> String {
            (0..<Int.random(in: range, using: &random)).map { _ in
                ["a", "b", "c", "d"][Int.random(in: 0...3, using: &random)]
            }.joined(separator: "/")
        }
        let path = name(1...3, &random)
        let other = name(1...3, &random)
        switch Int.random(in: 0..<30, using: &random) {
        case 0..<6: return .makeDirectory(path)
        case 6..<9: return .write(path, Int.random(in: 0...3, using: &random))
        case 9, 10: return .append(path)
        case 11..<15: return .rename(path, other)
        case 15, 16: return .exchange(path, other)
        case 17: return .link(path, other)
        case 18: return .makeLink(path, other)
        case 19, 20: return .unlink(path)
        case 21, 22: return .removeDirectory(path)
        case 23, 24: return .open(path)
        case 25: return .close
        case 26: return .unwatch(Int32.random(in: 1...20, using: &random))
        default: return .watch(path)
        }
    }
}

/// What an act came to.
struct KernelOutcome: Equatable {
    /// An error number; for watches also what the call returned.
    let code: Int32
    let events: [KernelEvent]

    init(_ code: Int32, _ events: [KernelEvent]) {
        self.code = code
        self.events = Self.numbered(events)
    }

    /// Cookies as the numbers of their pairs.
    private static func numbered(_ events: [KernelEvent]) -> [KernelEvent] {
        var cookies: [UInt32: UInt32] = [:]
        return events.map { event in
            var event = event
            guard event.cookie != 0 else { return event }
            let number = cookies[event.cookie] ?? UInt32(cookies.count + 1)
            cookies[event.cookie] = number
            event.cookie = number
            return event
        }
    }
}
