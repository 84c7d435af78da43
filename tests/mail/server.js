// A real SMTP server (nodemailer's smtp-server, which MailDev uses too). Like mail providers, it requires STARTTLS and a
// password. It rejects `nobody@…` permanently and `later@…` temporarily. GET / returns the accepted mails as JSON.
//
// node server.js SMTP_PORT HTTP_PORT CERTIFICATE KEY

const { SMTPServer } = require('smtp-server')
const { createServer } = require('node:http')
const { readFileSync } = require('node:fs')

const [smtpPort, httpPort, certificate, key] = process.argv.slice(2)
const accepted = []

const smtpError = (code, message) => Object.assign(new Error(message), { responseCode: code })

const server = new SMTPServer({
  cert: readFileSync(certificate),
  key: readFileSync(key),
  authMethods: ['PLAIN', 'LOGIN'],
  onAuth (auth, session, callback) {
    const isValid = auth.username === 'shop' && auth.password === 'p@ss:word'
    callback(isValid ? null : smtpError(535, 'wrong user or password'), { user: auth.username })
  },
  onRcptTo (address, session, callback) {
    if (address.address.startsWith('nobody@')) return callback(smtpError(550, 'there is no such mailbox'))
    if (address.address.startsWith('later@')) return callback(smtpError(450, 'the mailbox is busy'))
    callback()
  },
  onData (stream, session, callback) {
    const chunks = []
    stream.on('data', chunk => chunks.push(chunk))
    stream.on('end', () => {
      accepted.push({
        to: session.envelope.rcptTo.map(recipient => recipient.address),
        user: session.user,
        secure: session.secure,
        source: Buffer.concat(chunks).toString()
      })
      callback()
    })
  }
})

// A client can close the connection, for example because it does not trust the certificate.
server.on('error', error => console.error(error.message))
server.listen(Number(smtpPort), '127.0.0.1')

createServer((request, response) => response.end(JSON.stringify(accepted))).listen(Number(httpPort), '127.0.0.1')
