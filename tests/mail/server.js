// A real SMTP server (nodemailer's smtp-server, which MailDev stands on) as a provider runs one: STARTTLS first, then
// a password. It refuses some recipients for good and puts others off. GET / gives what it took, as JSON.
//
// node server.js SMTP_PORT HTTP_PORT CERTIFICATE KEY

const { SMTPServer } = require('smtp-server')
const { createServer } = require('node:http')
const { readFileSync } = require('node:fs')

const [smtpPort, httpPort, certificate, key] = process.argv.slice(2)
const taken = []

const answer = (code, words) => Object.assign(new Error(words), { responseCode: code })

const server = new SMTPServer({
  cert: readFileSync(certificate),
  key: readFileSync(key),
  authMethods: ['PLAIN', 'LOGIN'],
  onAuth (auth, session, callback) {
    const welcome = auth.username === 'shop' && auth.password === 'p@ss:word'
    callback(welcome ? null : answer(535, 'wrong user or password'), { user: auth.username })
  },
  onRcptTo (address, session, callback) {
    if (address.address.startsWith('nobody@')) return callback(answer(550, 'there is no such mailbox'))
    if (address.address.startsWith('later@')) return callback(answer(450, 'the mailbox is busy'))
    callback()
  },
  onData (stream, session, callback) {
    const chunks = []
    stream.on('data', chunk => chunks.push(chunk))
    stream.on('end', () => {
      taken.push({
        to: session.envelope.rcptTo.map(recipient => recipient.address),
        user: session.user,
        secure: session.secure,
        source: Buffer.concat(chunks).toString()
      })
      callback()
    })
  }
})

// A client that hangs up, for example because it does not trust the certificate.
server.on('error', error => console.error(error.message))
server.listen(Number(smtpPort), '127.0.0.1')

createServer((request, response) => response.end(JSON.stringify(taken))).listen(Number(httpPort), '127.0.0.1')
